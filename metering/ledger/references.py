"""References of credit: what people write, and what we write ourselves. Pure.

Credit is granted once under a reference. One of ours that somebody had taken before
would answer with their grant: a top-up would be paid for and give nothing. Failure: one
that begins as ours do is refused.
"""

import re

from kit.errors import InvalidRequest

# Of top-ups, of refunds that are kept as credit, of credit notes.
_OURS = re.compile(r"\s*(top-up|refund|credit note) ", re.IGNORECASE)


def require_theirs(reference: str) -> None:
    """Refuse what we grant credit under ourselves."""
    if _OURS.match(reference):
        raise InvalidRequest(
            "We write references that begin like this ourselves: choose another one.",
            param="reference",
        )
