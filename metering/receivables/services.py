"""Writes of receivables: what came in for invoices, and what did not.

The modules behind say how each fails: `paying`, `noting`, `giving_up` and `holding`.
"""

from metering.receivables.giving_up import write_off
from metering.receivables.holding import hold_invoice, release_invoice
from metering.receivables.noting import Wanted, issue_credit_note
from metering.receivables.paying import record_payment, refund_payment

__all__ = [
    "Wanted",
    "hold_invoice",
    "issue_credit_note",
    "record_payment",
    "refund_payment",
    "release_invoice",
    "write_off",
]
