"""Rules and ids for the tests of limits."""

from itertools import count
from uuid import UUID

from inference.limiting.limiter import Charge, Rule, Unit, rule_key

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
_ids = count(1)


def new_id() -> UUID:
    """Return the id of another request."""
    return UUID(int=next(_ids))


def requests(
    limit: int, *, window_us: int = MINUTE_US, name: str = "requests", amount: int = 1
) -> Charge:
    """Return a charge of so many requests."""
    return Charge(Rule(rule_key(1, name), Unit.REQUESTS, limit, window_us), amount)


def tokens(
    amount: int, *, limit: int, window_us: int = HOUR_US, name: str = "tokens"
) -> Charge:
    """Return a charge of so many tokens."""
    return Charge(Rule(rule_key(1, name), Unit.TOKENS, limit, window_us), amount)


def slot(limit: int, *, name: str = "slots") -> Charge:
    """Return a charge of one slot."""
    return Charge(Rule(rule_key(1, name), Unit.CONCURRENT_REQUESTS, limit))
