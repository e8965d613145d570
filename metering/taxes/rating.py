"""From what is charged to the tax on it: one line per rate. Pure.

Tax is rounded once for each rate, half up on the sum of what is taxed, and never line
by line: what a buyer recomputes from an invoice's subtotal is what stands on it.

Failure: none; a negative sum gives a negative tax of the same size as its opposite.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from kit.money import minor_from_picos, picos_from_minor


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate in force: `percent` of what is taxed, of at most four decimals."""

    id: int
    name: str
    percent: Decimal


@dataclass(frozen=True, slots=True)
class Treatment:
    """How a tenant is taxed at some moment: `note` says why where no rate is there.

    `kind` is one of `TaxTreatment.Kind`, or empty: nobody has said how yet.
    """

    kind: str
    rates: tuple[Rate, ...]
    note: str


@dataclass(frozen=True, slots=True)
class TaxLine:
    """What one rate adds: exactly in picos, and rounded to the minor unit."""

    rate: Rate
    taxable_minor: int
    exact_picos: int
    amount_minor: int


UNTAXED = Treatment("", (), "")


def tax_lines(
    taxable_minor: int, *, rates: Iterable[Rate], currency: str
) -> tuple[TaxLine, ...]:
    """Return what each rate adds to a sum in minor units, in the order of the rates."""
    return tuple(_line(taxable_minor, rate, currency) for rate in rates)


def _line(taxable_minor: int, rate: Rate, currency: str) -> TaxLine:
    # A minor unit is at least 10^9 picos, and a ten-thousandth of a percent a
    # millionth: their product is whole.
    exact = picos_from_minor(taxable_minor, currency) * Fraction(rate.percent) / 100
    picos = int(exact)
    return TaxLine(rate, taxable_minor, picos, minor_from_picos(picos, currency))
