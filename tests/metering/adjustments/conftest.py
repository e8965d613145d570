"""Callers of the management API."""

from tests.api.conftest import caller

__all__ = ["caller"]
