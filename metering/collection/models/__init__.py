"""What is kept of a provider beside invoices; one file a subject."""

from metering.collection.models.compared import Comparison
from metering.collection.models.following import (
    Dispute,
    ProviderPayment,
    ProviderRefund,
    Standing,
)
from metering.collection.models.meters import (
    Counted,
    MeterCurrencies,
    MeterDifference,
    MeterEvent,
    MeterProgress,
)
from metering.collection.models.methods import PaymentMethod
from metering.collection.models.outgoing import Outgoing
from metering.collection.models.portal import PortalLink
from metering.collection.models.purchases import Purchase

__all__ = (
    "Comparison",
    "Counted",
    "Dispute",
    "MeterCurrencies",
    "MeterDifference",
    "MeterEvent",
    "MeterProgress",
    "Outgoing",
    "PaymentMethod",
    "PortalLink",
    "ProviderPayment",
    "ProviderRefund",
    "Purchase",
    "Standing",
)
