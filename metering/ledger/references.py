"""References of credit: what people write, and what we write ourselves.

Credit is granted once under a reference. One of ours that somebody had taken before
would answer with their grant: a top-up would be paid for and give nothing. What a
top-up sold goes back by a credit note on its invoice, which knows its tax. Failure: a
reference that begins as ours do is refused, and so is taking sold credit back alone.
"""

import re

from kit.errors import Conflict, InvalidRequest
from metering.ledger.models import CreditGrant

# Of top-ups, of refunds that are kept as credit, of credit notes.
_OURS = re.compile(r"\s*(top-up|refund|credit note) ", re.IGNORECASE)


def require_theirs(reference: str) -> None:
    """Refuse what we grant credit under ourselves."""
    if _OURS.match(reference):
        raise InvalidRequest(
            "We write references that begin like this ourselves: choose another one.",
            param="reference",
        )


def require_unsold(grant: CreditGrant, reversal: str) -> None:
    """Refuse to take back what was sold without its invoice, but for a mistake."""
    is_sold = grant.source == CreditGrant.Source.TOP_UP
    is_sold = is_sold and grant.reference.startswith("top-up ")
    if is_sold and reversal != CreditGrant.Reversal.MISTAKE:
        raise Conflict(
            f"{grant.reference} sold it: issue a credit note on its invoice, which"
            " takes the credit back with its tax."
        )
