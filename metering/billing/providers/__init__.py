"""Where invoices are issued: the same contract for every provider. See the README."""

from metering.billing.providers.base import BillingProvider
from metering.billing.providers.registry import UnknownProvider, provider_for

__all__ = ("BillingProvider", "UnknownProvider", "provider_for")
