"""Rating: exact, and the same however tokens are split, merged or ordered."""

import subprocess
import sys
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from kit.contracts import LinearPrice, TokenClass, TokenCounts
from kit.money import picos_per_token
from metering.pricing.rating import charge_picos, class_charges, unit_picos

picos = st.integers(0, 5 * 10**12)
tokens = st.integers(-(10**9), 10**9)
prices = st.builds(
    LinearPrice,
    id=st.just(1),
    model=st.just("m"),
    currency=st.just("USD"),
    input_picos=picos,
    cached_input_picos=picos,
    output_picos=picos,
)
counts = st.builds(
    TokenCounts,
    input_tokens=tokens,
    cached_input_tokens=tokens,
    output_tokens=tokens,
    reasoning_tokens=tokens,
)


def merged(parts: list[TokenCounts]) -> TokenCounts:
    return TokenCounts(
        input_tokens=sum(part.input_tokens for part in parts),
        cached_input_tokens=sum(part.cached_input_tokens for part in parts),
        output_tokens=sum(part.output_tokens for part in parts),
        reasoning_tokens=sum(part.reasoning_tokens for part in parts),
    )


def test_a_million_tokens_cost_what_is_quoted() -> None:
    price = LinearPrice(
        1,
        "m",
        "USD",
        picos_per_token("2.5"),
        picos_per_token("0.25"),
        picos_per_token("10"),
    )
    million = TokenCounts(10**6, 10**6, 10**6, 10**6)
    assert charge_picos(price, million) == 12_750_000_000_000


@given(prices, st.lists(counts, max_size=8))
def test_sum_of_charges_is_the_charge_of_the_sum(
    price: LinearPrice, parts: list[TokenCounts]
) -> None:
    assert sum(charge_picos(price, part) for part in parts) == charge_picos(
        price, merged(parts)
    )


@given(prices, st.lists(counts, min_size=1, max_size=8), st.randoms())
def test_order_changes_no_running_total_at_the_end(
    price: LinearPrice, parts: list[TokenCounts], randomly: object
) -> None:
    before = [charge_picos(price, part) for part in parts]
    randomly.shuffle(parts)  # type: ignore[attr-defined]
    after = [charge_picos(price, part) for part in parts]
    assert list(accumulate(before))[-1] == list(accumulate(after))[-1]


@given(prices, counts)
def test_classes_make_up_the_charge(price: LinearPrice, count: TokenCounts) -> None:
    charges = class_charges(price, count)
    assert sum(charges.values()) == charge_picos(price, count)
    assert charges[TokenClass.OUTPUT] == count.output_tokens * unit_picos(
        price, TokenClass.OUTPUT
    )


@given(prices)
def test_requests_and_reasoning_cost_nothing_of_their_own(price: LinearPrice) -> None:
    assert unit_picos(price, TokenClass.REQUESTS) == 0
    assert unit_picos(price, TokenClass.REASONING) == 0
    assert charge_picos(price, TokenCounts(reasoning_tokens=10**6)) == 0


def test_rating_loads_no_framework() -> None:
    loaded = (
        "import sys, metering.pricing.rating;"
        "sys.exit('django' in sys.modules or 'celery' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", loaded], check=True)
