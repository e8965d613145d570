"""Writes of the ledger: post what something else decided, and take over ended days."""

from metering.ledger.days import DAY_GRACE, PostedDays, post_days
from metering.ledger.posting import Amount, LedgerInvariantError, Posting, post

__all__ = [
    "DAY_GRACE",
    "Amount",
    "LedgerInvariantError",
    "PostedDays",
    "Posting",
    "post",
    "post_days",
]
