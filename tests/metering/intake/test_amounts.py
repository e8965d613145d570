"""What tokens come to at a place, in money and in tokens of each unit."""

import pytest

from kit.contracts import BudgetPlace, LinearPrice, TokenCounts
from metering.intake.amounts import amount_of, bound_of, floor_of

CHEAP_CACHE = LinearPrice(1, "m", "USD", 7, 3, 11)
DEAR_CACHE = LinearPrice(1, "m", "USD", 3, 7, 11)
COUNTS = TokenCounts(
    input_tokens=100, cached_input_tokens=20, output_tokens=5, reasoning_tokens=4
)


def place(kind: str, unit: str = "") -> BudgetPlace:
    return BudgetPlace(1, "tenant", 1, kind, unit, "day", "", True)


@pytest.mark.parametrize("kind", ["budget", "credit"])
def test_money_is_what_an_event_costs(kind: str) -> None:
    assert amount_of(place(kind), CHEAP_CACHE, COUNTS) == 700 + 60 + 55
    for price in (CHEAP_CACHE, DEAR_CACHE):
        amounts = {"prompt_tokens": 120, "output_tokens": 5}
        assert bound_of(place(kind), price, **amounts) == 120 * 7 + 55
        assert floor_of(place(kind), price, **amounts) == 120 * 3 + 55


@pytest.mark.parametrize(
    ("unit", "tokens"), [("tokens", 125), ("input_tokens", 120), ("output_tokens", 5)]
)
def test_a_quota_counts_tokens_of_its_unit(unit: str, tokens: int) -> None:
    """Cached ones are input, too; reasoning is inside output."""
    assert amount_of(place("quota", unit), CHEAP_CACHE, COUNTS) == tokens
    for count in (bound_of, floor_of):
        found = count(
            place("quota", unit), CHEAP_CACHE, prompt_tokens=120, output_tokens=5
        )
        assert found == tokens
