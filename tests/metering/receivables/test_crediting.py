"""Notes take back the rounded lines and their tax, in pieces or at once, never more."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import Conflict
from metering.receivables.crediting import (
    Creditable,
    Kind,
    gross_amounts,
    note_amounts,
)

# 0.03 is taxed with 0.01 at 19 %: a third of it has no cent of its own.
CENTS = (
    Creditable(1, Kind.USAGE, 1, 0),
    Creditable(2, Kind.USAGE, 1, 0),
    Creditable(3, Kind.FEE, 1, 0),
    Creditable(4, Kind.TAX, 1, 0),
)


def noted(
    lines: tuple[Creditable, ...], amounts: dict[int, int]
) -> tuple[Creditable, ...]:
    """Return lines after a note."""
    return tuple(
        replace(line, noted_minor=line.noted_minor + amounts.get(line.position, 0))
        for line in lines
    )


def test_a_note_of_all_takes_each_line_back_as_it_was_rounded() -> None:
    assert note_amounts(CENTS, None, currency="EUR") == {1: 1, 2: 1, 3: 1, 4: 1}


def test_tax_follows_the_sum_of_all_notes_and_not_each_of_them() -> None:
    lines: tuple[Creditable, ...] = CENTS
    taxes = []
    for position in (1, 2, 3):
        amounts = note_amounts(lines, {position: 1}, currency="EUR")
        taxes.append(amounts.get(4, 0))
        lines = noted(lines, amounts)
    # A third is nothing, two thirds are a cent, and no cent is taken back twice.
    assert taxes == [0, 1, 0]
    with pytest.raises(Conflict, match="Nothing is left"):
        note_amounts(lines, None, currency="EUR")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({1: 2}, "Of line 1 0.01 EUR is left"),
        ({1: -1}, "Of line 1"),
        ({4: 1}, "Line 4 is none"),
        ({9: 1}, "Line 9 is none"),
        ({1: 0}, "Nothing is left"),
        ({}, "Nothing is left"),
    ],
)
def test_what_lines_do_not_have_is_refused(wanted: dict[int, int], said: str) -> None:
    with pytest.raises(Conflict, match=said):
        note_amounts(CENTS, wanted, currency="EUR")


def test_a_discount_caps_what_a_line_gives_back() -> None:
    lines = (
        Creditable(1, Kind.USAGE, 100, 0),
        Creditable(2, Kind.DISCOUNT, -20, 0),
        Creditable(3, Kind.CREDIT, -50, 0),
        Creditable(4, Kind.TAX, 8, 0),
    )
    with pytest.raises(Conflict, match=r"Before tax 0.80 EUR is left"):
        note_amounts(lines, {1: 81}, currency="EUR")
    assert note_amounts(lines, {1: 80}, currency="EUR") == {1: 80, 4: 8}
    assert note_amounts(lines, {1: 100, 2: -20}, currency="EUR") == {
        1: 100,
        2: -20,
        4: 8,
    }
    with pytest.raises(Conflict, match="Nothing is left"):
        note_amounts(lines, {2: -20}, currency="EUR")


@st.composite
def invoices(draw: st.DrawFn) -> tuple[Creditable, ...]:
    """Draw lines with discounts of less than all, and two taxes on their sum."""
    charged = draw(st.lists(st.integers(1, 5_000), min_size=1, max_size=5))
    rows = [(Kind.USAGE, minor) for minor in charged]
    off = draw(st.integers(0, sum(charged) - 1))
    if off:
        rows.append((Kind.DISCOUNT, -off))
    subtotal = sum(charged) - off
    rows += [
        (Kind.TAX, int(subtotal * Fraction(percent, 100) + Fraction(1, 2)))
        for percent in draw(st.lists(st.integers(0, 100), max_size=2))
    ]
    return tuple(
        Creditable(position, kind, minor, 0)
        for position, (kind, minor) in enumerate(rows, 1)
    )


@given(invoices(), st.data())
def test_notes_in_any_pieces_come_to_the_lines_and_never_to_more(
    lines: tuple[Creditable, ...], data: st.DataObject
) -> None:
    rest = lines
    for _ in range(data.draw(st.integers(0, 5))):
        line = data.draw(st.sampled_from([each for each in rest if each.kind != "tax"]))
        low, high = sorted((0, line.left_minor))
        wanted = {line.position: data.draw(st.integers(low, high))}
        try:
            rest = noted(rest, note_amounts(rest, wanted, currency="EUR"))
        except Conflict:
            continue
        for each in rest:
            low, high = sorted((0, each.amount_minor))
            assert low <= each.noted_minor <= high
    net = [each for each in rest if each.kind != Kind.TAX]
    if sum(each.left_minor for each in net) > 0:
        rest = noted(rest, note_amounts(rest, None, currency="EUR"))
    # Whatever the pieces were, tax came back with what it was on, to the cent.
    assert all(each.left_minor == 0 for each in rest if each.kind == Kind.TAX)
    assert sum(each.left_minor for each in rest) == 0


@given(
    st.integers(1, 10**6),
    st.lists(st.integers(0, 10**5), max_size=3),
    st.lists(st.integers(1, 10**5), max_size=6),
    st.integers(0, 10**6),
)
def test_sums_in_any_pieces_come_to_the_whole_with_their_shares_of_the_tax(
    price: int, taxes: list[int], pieces: list[int], by_lines: int
) -> None:
    kinds = [(Kind.TOP_UP, price), *((Kind.TAX, tax) for tax in taxes)]
    lines: tuple[Creditable, ...] = tuple(
        Creditable(at, kind, minor, 0) for at, (kind, minor) in enumerate(kinds, 1)
    )
    whole = price + sum(taxes)
    # A note that people wrote by lines may stand before.
    if 0 < by_lines <= price:
        lines = noted(lines, note_amounts(lines, {1: by_lines}, currency="EUR"))
    for piece in (*pieces, whole):
        left = whole - sum(line.noted_minor for line in lines)
        if not left:
            break
        amounts = gross_amounts(lines, min(piece, left), currency="EUR")
        assert sum(amounts.values()) == min(piece, left)
        lines = noted(lines, amounts)
        assert all(0 <= line.noted_minor <= line.amount_minor for line in lines)
    assert [line.left_minor for line in lines] == [0] * len(lines)
    with pytest.raises(Conflict, match="is left"):
        gross_amounts(lines, 1, currency="EUR")


def test_taxes_that_round_up_take_no_more_than_is_gone() -> None:
    taxes = [Creditable(at, Kind.TAX, 225, 0) for at in (2, 3, 4)]
    lines = (Creditable(1, Kind.TOP_UP, 1, 0), *taxes)
    assert gross_amounts(lines, 338, currency="EUR") == {2: 113, 3: 113, 4: 112}


def test_of_a_sum_the_tax_is_what_it_has_in_it() -> None:
    lines = (Creditable(1, Kind.TOP_UP, 10_000, 0), Creditable(2, Kind.TAX, 1_900, 0))
    assert gross_amounts(lines, 119, currency="EUR") == {1: 100, 2: 19}
    # 5.00 has 0.798 in it.
    assert gross_amounts(lines, 500, currency="EUR") == {1: 420, 2: 80}
    with pytest.raises(Conflict, match=r"119\.00 EUR is left"):
        gross_amounts(lines, 11_901, currency="EUR")
