"""Who owes whom: billing periods, invoices, and calls to a billing provider.

An invoice line holds the exact sum and what is charged for it. A provider operation is
written before its call, so that a crash in between is seen and never charged twice.
"""

from metering.billing.models.invoices import (
    ClaimedPosting,
    Invoice,
    InvoiceLine,
    Period,
)
from metering.billing.models.parties import BillingProfile, Seller
from metering.billing.models.provided import (
    CallPace,
    ProviderCustomer,
    ProviderOperation,
)

__all__ = (
    "BillingProfile",
    "CallPace",
    "ClaimedPosting",
    "Invoice",
    "InvoiceLine",
    "Period",
    "ProviderCustomer",
    "ProviderOperation",
    "Seller",
)
