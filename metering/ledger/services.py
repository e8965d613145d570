"""Writes of the ledger: post what was decided, take over ended days, give credit."""

from metering.ledger.credit import (
    GrantTerms,
    end_credit,
    grant_credit,
    reverse_credit,
    settle_credit,
)
from metering.ledger.days import DAY_GRACE, PostedDays, post_days
from metering.ledger.posting import Amount, LedgerInvariantError, Posting, post

__all__ = [
    "DAY_GRACE",
    "Amount",
    "GrantTerms",
    "LedgerInvariantError",
    "PostedDays",
    "Posting",
    "end_credit",
    "grant_credit",
    "post",
    "post_days",
    "reverse_credit",
    "settle_credit",
]
