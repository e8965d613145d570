"""A Stripe that holds our invoices, and is told what becomes of them here."""

from tests.metering.collection.following.conftest import scene, unpaced

__all__ = ("scene", "unpaced")
