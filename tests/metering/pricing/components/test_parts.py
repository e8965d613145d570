"""A line says what it consists of: the model's parts, then what its bounds did."""

from fractions import Fraction
from typing import Any

import pytest

from metering.pricing.components.rating import Part, PartKind, Usage, rate
from metering.pricing.components.reading import component_from

TIERS = {
    "tiers": [
        {"up_to": "5", "unit_price": "7", "flat_fee": "1"},
        {"up_to": None, "unit_price": "6"},
    ]
}
GRADUATED = {"model": "graduated", "included": "2"} | TIERS
VOLUME = {"model": "volume", "included": "2"} | TIERS
FLAT = {"model": "flat", "flat_fee": "20"}
SHARE = {
    "model": "percentage",
    "rate_percent": "10",
    "fee_per_event": "0.5",
    "included_events": "1",
}


def part(kind: PartKind, quantity: int, amount: int, tier: int | None = None) -> Part:
    return Part(kind, Fraction(quantity), Fraction(amount), tier)


FIVE = part(PartKind.UNITS, 5, 35, 1)
FEE = part(PartKind.FLAT_FEE, 1, 1, 1)
REST = part(PartKind.UNITS, 3, 18, 2)
ONCE = part(PartKind.FLAT_FEE, 1, 20)


@pytest.mark.parametrize(
    ("document", "parts"),
    [
        (GRADUATED, [FIVE, FEE, REST]),
        (VOLUME, [part(PartKind.UNITS, 8, 48, 2)]),
        (VOLUME | {"included": "6"}, [part(PartKind.UNITS, 4, 28, 1), FEE]),
        (
            {"model": "per_unit", "unit_price": "3"},
            [part(PartKind.UNITS, 10, 30)],
        ),
        (
            {"model": "package", "package_size": "4", "package_price": "9"},
            [part(PartKind.PACKAGES, 3, 27)],
        ),
        (SHARE, [part(PartKind.PERCENTAGE, 10, 1), part(PartKind.EVENTS, 4, 2)]),
        (FLAT, [ONCE]),
        # The bounds add or take what is missing or too much, and say nothing else.
        (FLAT | {"minimum": "20", "maximum": "20"}, [ONCE]),
        (FLAT | {"minimum": "25"}, [ONCE, part(PartKind.MINIMUM, 0, 5)]),
        (FLAT | {"maximum": "15"}, [ONCE, part(PartKind.MAXIMUM, 0, -5)]),
        (FLAT | {"included": "10"}, []),
    ],
)
def test_parts_of_ten_units_and_five_events(
    document: dict[str, Any], parts: list[Part]
) -> None:
    usage = Usage(Fraction(10), 5)
    rated = rate(component_from(document), usage, currency="USD")
    assert list(rated.parts) == parts
