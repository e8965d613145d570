"""What happened to invoices after they were issued; rows are facts and stay.

An invoice's state, and what is still open of it, follow from these rows alone
(`metering.receivables.standing`).
"""

from metering.receivables.models.dunned import DunningStep, Hold
from metering.receivables.models.notes import CreditNote, CreditNoteLine, NoteCounter
from metering.receivables.models.payments import Payment, Refund, WriteOff

__all__ = (
    "CreditNote",
    "CreditNoteLine",
    "DunningStep",
    "Hold",
    "NoteCounter",
    "Payment",
    "Refund",
    "WriteOff",
)
