"""Discounts and contracts become whole picos once, and nothing after them rounds."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from inference.caching.naming import MARK
from kit.contracts import LinearPrice, TokenCounts
from kit.money import picos_less
from metering.pricing.rating import charge_picos
from metering.pricing.resolving import (
    ANSWER_CACHE,
    Discounts,
    Listed,
    Terms,
    resolved,
    under_contract,
)

NO_TERMS = Terms(Decimal(0), {}, {})
A = Listed("a", 3_000_001, 300_000, 15_000_000)
percents = st.decimals(0, 100, places=4)
picos = st.integers(0, 5 * 10**12)
counts = st.integers(0, 10**6)


def by_model(listed: list[Listed]) -> dict[str, tuple[int, int, int]]:
    return {
        each.model: (each.input_picos, each.cached_input_picos, each.output_picos)
        for each in listed
    }


def test_kept_answers_are_priced_by_the_name_that_gateways_look_for() -> None:
    assert ANSWER_CACHE == MARK


def test_half_a_pico_is_one() -> None:
    assert picos_less(1, Decimal(50)) == 1
    assert picos_less(3, Decimal(50)) == 2
    assert picos_less(3, Decimal("50.0001")) == 1
    # A float's 0.01 is more than that, and would round this one down.
    assert picos_less(5000, Decimal("0.01")) == 5000
    assert picos_less(7, Decimal(100)) == 0
    assert picos_less(7, Decimal(0)) == 7


@given(price=picos, percent=percents)
def test_a_share_is_the_nearest_whole_pico(price: int, percent: Decimal) -> None:
    """Money is not lost to a float: 9812 and the like charged 0.6619999."""
    exact = price * (1 - Fraction(percent) / 100)
    assert -Fraction(1, 2) < picos_less(price, percent) - exact <= Fraction(1, 2)


def test_what_is_not_quoted_follows_and_what_is_quoted_stands() -> None:
    discounts = Discounts(Decimal(90), Decimal(50), Decimal("99.5"))
    quoted_batch = Listed("b@batch", 1, 1, 1)
    listed = [
        Listed("a", 3_000_001, 0, 15_000_000, cached_follows=True),
        Listed("b", 10, 10, 10),
        quoted_batch,
    ]

    found = resolved(listed, discounts)

    assert by_model(found) == {
        "a": (3_000_001, 300_000, 15_000_000),
        "a@batch": (1_500_001, 150_000, 7_500_000),
        "a@cache": (15_000, 1_500, 75_000),
        "b": (10, 10, 10),
        "b@batch": (1, 1, 1),
        "b@cache": (0, 0, 0),
    }
    # Once more changes nothing, and taking the discounts away leaves what was quoted.
    assert resolved(found, discounts) == found
    assert {each.model for each in resolved(found, Discounts())} == {
        "a",
        "b",
        "b@batch",
    }


def test_no_discount_makes_no_price_where_none_is_listed() -> None:
    """Nothing is invented: without a price a model cannot be called."""
    assert resolved([], Discounts(Decimal(1), Decimal(1), Decimal(1))) == []
    assert under_contract([], Discounts(), NO_TERMS) == []


def test_a_contract_names_models_or_takes_a_percentage_off_all_others() -> None:
    listed = resolved([A, Listed("b", 100, 10, 1000)], Discounts(batch=Decimal(50)))
    terms = Terms(
        Decimal(10),
        quoted={"a": Listed("a", 7, 5, 9), "own": Listed("own", 1, 2, 3)},
        percents={"b@batch": Decimal(80)},
    )

    found = by_model(under_contract(listed, Discounts(batch=Decimal(50)), terms))

    assert found == {
        "a": (7, 5, 9),
        # What follows from a model follows from the contract's price of it.
        "a@batch": (4, 3, 5),
        "b": (90, 9, 900),
        "b@batch": (10, 1, 100),
        "own": (1, 2, 3),
        "own@batch": (1, 1, 2),
    }


@given(listed=st.tuples(picos, picos, picos), percent=percents)
def test_a_contract_of_nothing_changes_nothing_and_of_all_makes_it_free(
    listed: tuple[int, int, int], percent: Decimal
) -> None:
    rows = [Listed("a", *listed)]
    assert by_model(under_contract(rows, Discounts(), NO_TERMS)) == {"a": listed}
    free = Terms(Decimal(100), {}, {})
    assert by_model(under_contract(rows, Discounts(), free)) == {"a": (0, 0, 0)}
    less = Terms(percent, {}, {})
    (own,) = under_contract(rows, Discounts(), less)
    assert all(
        mine <= theirs
        for mine, theirs in zip(by_model([own])["a"], listed, strict=True)
    )


@given(
    listed=st.tuples(picos, picos, picos),
    percent=percents,
    parts=st.lists(st.tuples(counts, counts, counts), min_size=1, max_size=6),
)
def test_charging_by_a_resolved_price_rounds_nothing(
    listed: tuple[int, int, int],
    percent: Decimal,
    parts: list[tuple[int, int, int]],
) -> None:
    """However use is split, the parts are what the whole is; cached is not twice."""
    terms = Terms(percent, {}, {})
    (own,) = under_contract([Listed("a", *listed)], Discounts(), terms)
    price = LinearPrice(
        1, "a", "JPY", own.input_picos, own.cached_input_picos, own.output_picos
    )

    def charged(uncached: int, cached: int, output: int) -> int:
        return charge_picos(
            price,
            TokenCounts(
                input_tokens=uncached, cached_input_tokens=cached, output_tokens=output
            ),
        )

    whole = charged(*(sum(column) for column in zip(*parts, strict=True)))
    assert sum(charged(*part) for part in parts) == whole
    assert whole == sum(
        tokens * unit
        for part in parts
        for tokens, unit in zip(part, by_model([own])["a"], strict=True)
    )
