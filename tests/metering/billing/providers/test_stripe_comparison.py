"""The comparison sees any difference, whatever the order of the lines."""

from hypothesis import given
from hypothesis import strategies as st

from metering.billing.providers.stripe.client import RemoteLine
from metering.billing.providers.stripe.comparison import lines_difference
from metering.billing.providers.stripe.mapping import LINE_MARK, DraftLine

AMOUNTS = st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=30)


def _ours(amounts: list[int]) -> list[DraftLine]:
    return [DraftLine(str(i), amount, "tokens") for i, amount in enumerate(amounts)]


def _theirs(amounts: list[int], *, currency: str = "usd") -> list[RemoteLine]:
    return [
        RemoteLine(f"il_{i}", currency, amount, {LINE_MARK: str(i)})
        for i, amount in enumerate(amounts)
    ]


def _difference(ours: list[DraftLine], theirs: list[RemoteLine]) -> str:
    return lines_difference(ours, theirs, currency="USD")


@given(AMOUNTS, st.randoms())
def test_equal_lines_in_any_order_do_not_differ(
    amounts: list[int], random: object
) -> None:
    theirs = _theirs(amounts)
    random.shuffle(theirs)  # type: ignore[attr-defined]
    assert _difference(_ours(amounts), theirs) == ""


@given(AMOUNTS, st.data())
def test_any_other_amount_differs(amounts: list[int], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(amounts) - 1))
    changed = list(amounts)
    changed[index] += data.draw(st.sampled_from([-1, 1]))
    assert _difference(_ours(amounts), _theirs(changed))


@given(AMOUNTS, st.data())
def test_amounts_that_changed_places_differ(
    amounts: list[int], data: st.DataObject
) -> None:
    """The sum is the same: only the marks tell."""
    swapped = data.draw(st.permutations(amounts))
    assert bool(_difference(_ours(amounts), _theirs(swapped))) == (swapped != amounts)


@given(AMOUNTS)
def test_a_missing_a_double_and_a_foreign_line_differ(amounts: list[int]) -> None:
    theirs = _theirs(amounts)
    foreign = RemoteLine("il_foreign", "usd", 0, {})
    assert _difference(_ours(amounts), theirs[:-1])
    assert _difference(_ours(amounts), [*theirs, theirs[0]])
    assert _difference(_ours(amounts), [*theirs, foreign])


def test_another_currency_differs() -> None:
    assert _difference(_ours([1]), _theirs([1], currency="eur"))


def test_the_difference_is_said_shortly() -> None:
    said = _difference(_ours([5] * 20), _theirs([6] * 20))
    assert said == (
        "20 lines are ours and 20 are there; missing 0 (5 usd), 1 (5 usd), 10 (5 usd)"
        " and 17 more; not ours 0 (6 usd), 1 (6 usd), 10 (6 usd) and 17 more"
    )
