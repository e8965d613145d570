"""Writes of receivables: what came in for invoices, and what did not.

The modules behind say how each fails: `paying`, `noting`, `giving_up` and `holding`.
"""

from metering.receivables.giving_up import write_off
from metering.receivables.holding import hold_invoice, release_invoice
from metering.receivables.noting import Wanted, issue_credit_note
from metering.receivables.paying import record_payment, refund_payment
from metering.receivables.withdrawing import (
    give_up_withdrawn,
    kept_as_credit,
    withdraw,
    withdraw_kept,
)

__all__ = [
    "Wanted",
    "give_up_withdrawn",
    "hold_invoice",
    "issue_credit_note",
    "kept_as_credit",
    "record_payment",
    "refund_payment",
    "release_invoice",
    "withdraw",
    "withdraw_kept",
    "write_off",
]
