"""A small, stateful stand-in of Stripe's invoicing API, driven by the real SDK.

It refuses what the pinned SDK would not send, keeps idempotency keys as Stripe keeps
them, and fails on demand at any call: see the README beside this file.
"""

from tests.standins.stripe.faults import Fault
from tests.standins.stripe.server import StripeStandIn

__all__ = ("Fault", "StripeStandIn")
