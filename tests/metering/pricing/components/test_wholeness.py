"""What is fine enough to be rated may be too fine to be published."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import InvalidRequest
from metering.pricing.components.kinds import Component, Percentage
from metering.pricing.components.rating import Usage, rate
from metering.pricing.components.reading import component_from
from metering.pricing.components.wholeness import require_whole_picos
from tests.metering.pricing.components.strategies import documents

PICO = "0.000000000001"
HALF = "0.0000000000005"
UNIT = {"model": "per_unit", "unit_price": "1"}


def tiered(**first: str) -> dict[str, Any]:
    tier = {"up_to": "5", "unit_price": "1"} | first
    return {"model": "volume", "tiers": [tier, {"up_to": None, "unit_price": PICO}]}


@pytest.mark.parametrize(
    "document",
    [
        {"model": "per_unit", "unit_price": PICO},
        {"model": "per_unit", "unit_price": "0.000001", "unit_size": "1000000"},
        {"model": "per_unit", "unit_price": HALF, "unit_size": "0.5"},
        {"model": "package", "package_size": "0.1", "package_price": PICO},
        {"model": "percentage", "rate_percent": HALF, "fee_per_event": PICO},
        {"model": "flat", "flat_fee": PICO, "included": "5", "maximum": PICO},
        tiered(flat_fee=PICO),
    ],
)
def test_whole_picos_are_published(document: dict[str, Any]) -> None:
    require_whole_picos(component_from(document))


@pytest.mark.parametrize(
    ("document", "param"),
    [
        (UNIT | {"unit_price": HALF}, "unit_price"),
        (UNIT | {"unit_size": "3"}, "unit_price"),
        (UNIT | {"minimum": HALF}, "minimum"),
        (UNIT | {"maximum": "1" + HALF[1:]}, "maximum"),
        (UNIT | {"included": "1.5"}, "included"),
        (tiered(unit_price=HALF), "tiers[0].unit_price"),
        (tiered(flat_fee=HALF), "tiers[0].flat_fee"),
        (tiered(up_to="4.5"), "tiers[0].up_to"),
        (tiered() | {"unit_size": "1000"}, "tiers[1].unit_price"),
        (
            {"model": "package", "package_size": "1", "package_price": HALF},
            "package_price",
        ),
        (
            {"model": "percentage", "rate_percent": "1", "fee_per_event": HALF},
            "fee_per_event",
        ),
        ({"model": "flat", "flat_fee": HALF}, "flat_fee"),
    ],
)
def test_a_part_of_a_pico_is_refused(document: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        require_whole_picos(component_from(document))
    assert refused.value.param == param


def is_published(component: Component) -> bool:
    try:
        require_whole_picos(component)
    except InvalidRequest:
        return False
    return not isinstance(component.model, Percentage)


@given(documents(), st.integers(0, 40))
def test_whole_units_of_what_is_published_cost_whole_picos(
    document: dict[str, Any], quantity: int
) -> None:
    component = component_from(document)
    rated = rate(component, Usage(Fraction(quantity)), currency="USD")
    if is_published(component):
        assert rated.exact_picos is not None
