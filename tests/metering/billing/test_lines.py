"""Lines: exact, rounded once each, the same whatever the order of what they charge."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.contracts import TokenClass
from kit.money import exponent, picos_from_minor
from metering.billing.composing.bill import Bill
from metering.billing.composing.compose import charges_of, complete
from metering.billing.lines import (
    LineError,
    LineKind,
    Lines,
    Posted,
    canonical,
)
from metering.pricing.rating import CHARGED_CLASSES
from metering.taxes.rating import UNTAXED
from tests.metering.billing.terms_scene import FIRST, posted, price


def lines_of(postings: Iterable[Posted], *, currency: str = "USD") -> Lines:
    """Make the lines of a bill of use alone."""
    charges = charges_of(
        Bill(currency=currency, first_date=FIRST, postings=tuple(postings))
    )
    return complete(charges, credit=(), treatment=UNTAXED)


def test_days_of_a_price_and_class_become_one_line() -> None:
    lines = lines_of(
        [posted(1000), posted(2500, date=FIRST.replace(day=31))],
    )
    (line,) = lines.lines
    assert (line.kind, line.quantity) == (LineKind.USAGE, 3500)
    assert line.description == "model-1, input tokens"
    assert line.exact_picos == 3500 * 3_000_000


def test_earlier_months_become_adjustments_that_name_them() -> None:
    lines = lines_of(
        [
            posted(1),
            posted(-2, date=dt.date(2026, 9, 30)),
            posted(3, date=dt.date(2026, 8, 1)),
        ],
    )
    assert [(line.kind, line.description, line.quantity) for line in lines.lines] == [
        (LineKind.USAGE, "model-1, input tokens", 1),
        (LineKind.ADJUSTMENT, "model-1, input tokens, adjustment of 2026-08", 3),
        (LineKind.ADJUSTMENT, "model-1, input tokens, adjustment of 2026-09", -2),
    ]


def test_what_nets_to_nothing_makes_no_line() -> None:
    lines = lines_of([posted(5), posted(-5)])
    assert lines.lines == ()


@pytest.mark.parametrize(
    ("currency", "minor"), [("USD", 1), ("JPY", 0), ("KWD", 5), ("KRW", 0)]
)
def test_minor_unit_is_the_currencys(currency: str, minor: int) -> None:
    token = price(currency=currency, picos=5 * 10**9)  # 0.005 of the unit
    lines = lines_of([posted(1, of=token)], currency=currency)
    assert lines.amount_minor == minor


def test_another_currency_is_refused() -> None:
    with pytest.raises(LineError, match="priced in EUR"):
        lines_of([posted(1, of=price(currency="EUR"))])


def test_charge_that_the_price_does_not_make_is_refused() -> None:
    wrong = replace(posted(5), charge_picos=1)
    with pytest.raises(LineError, match="rate to"):
        lines_of([wrong])


def test_hash_names_its_form() -> None:
    lines = lines_of([posted(3)])
    assert canonical(lines) == (
        b'{"currency":"USD","lines":[{"amount_minor":"0","class":"input",'
        b'"description":"model-1, input tokens","exact_picos":"9000000",'
        b'"kind":"usage","model":"model-1","price":1,"quantity":"3",'
        b'"unit_picos":"3000000"}]}'
    )
    assert len(lines.sha256) == 64


currencies = st.sampled_from(["USD", "JPY", "KWD"])
uses = st.lists(
    st.tuples(
        st.integers(-(10**12), 10**12),
        st.integers(1, 3),
        st.sampled_from(CHARGED_CLASSES),
        st.dates(dt.date(2026, 7, 1), dt.date(2026, 10, 31)),
        st.integers(0, 10**12),
    ),
    max_size=30,
)


@given(uses=uses, currency=currencies, randomly=st.randoms(use_true_random=False))
def test_lines_hold_whatever_they_are_made_of(
    uses: list[tuple[int, int, TokenClass, dt.date, int]],
    currency: str,
    randomly: st.random_module,  # type: ignore[valid-type]
) -> None:
    prices = {pk: price(pk, currency=currency, picos=pk * 7) for pk in (1, 2, 3)}
    postings = [
        posted(quantity, of=prices[pk], token_class=token_class, date=date)
        for quantity, pk, token_class, date, _ in uses
    ]
    lines = lines_of(postings, currency=currency)
    shuffled = list(postings)
    randomly.shuffle(shuffled)  # type: ignore[attr-defined]
    again = lines_of(shuffled, currency=currency)

    assert again.sha256 == lines.sha256
    assert lines.exact_picos == sum(posting.charge_picos for posting in postings)
    half = 10**12 // 10 ** exponent(currency) // 2
    for line in lines.lines:
        assert line.exact_picos == line.quantity * (line.unit_picos or 0)
        residue = picos_from_minor(line.amount_minor, currency) - line.exact_picos
        assert (
            -half < residue <= half
            if line.exact_picos >= 0
            else (-half <= residue < half)
        )
