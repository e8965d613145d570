"""Writes of the ledger: post what was decided, take over ended days, give credit."""

from metering.ledger.allotting import Part
from metering.ledger.burning import (
    Drawn,
    book_burns,
    book_due_burns,
    draw_credit,
)
from metering.ledger.credit import (
    GrantTerms,
    end_credit,
    grant_credit,
    reverse_credit,
    settle_credit,
)
from metering.ledger.days import DAY_GRACE, PostedDays, post_days
from metering.ledger.locking import lock_month, reopen_month
from metering.ledger.merging import merge_months
from metering.ledger.posting import Amount, LedgerInvariantError, Posting, post
from metering.ledger.turns import hold_books, hold_months

__all__ = [
    "DAY_GRACE",
    "Amount",
    "Drawn",
    "GrantTerms",
    "LedgerInvariantError",
    "Part",
    "PostedDays",
    "Posting",
    "book_burns",
    "book_due_burns",
    "draw_credit",
    "end_credit",
    "grant_credit",
    "hold_books",
    "hold_months",
    "lock_month",
    "merge_months",
    "post",
    "post_days",
    "reopen_month",
    "reverse_credit",
    "settle_credit",
]
