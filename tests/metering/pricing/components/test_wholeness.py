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
from metering.pricing.components.wholeness import (
    require_in_reach,
    require_whole_picos,
)
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
    component = component_from(document)
    require_whole_picos(component)
    for quantity in range(12):
        rated = rate(component, Usage(Fraction(quantity), quantity), currency="USD")
        # A share of an amount ends where it ends.
        assert rated.exact_picos is not None or document["model"] == "percentage"


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


@pytest.mark.parametrize(
    ("document", "param"),
    [
        (UNIT | {"unit_price": "1000000.01"}, "unit_price"),
        (UNIT | {"unit_size": "0.0000009"}, "unit_price"),
        (UNIT | {"minimum": "1e15"}, "minimum"),
        (UNIT | {"maximum": "1e50"}, "maximum"),
        (UNIT | {"included": "1e19"}, "included"),
        (tiered(unit_price="1e7"), "tiers[0].unit_price"),
        (tiered(flat_fee="1e15"), "tiers[0].flat_fee"),
        (tiered(up_to="1e19"), "tiers[0].up_to"),
        (
            {"model": "package", "package_size": "1", "package_price": "1e7"},
            "package_price",
        ),
        (
            {"model": "package", "package_size": "1e-50", "package_price": "1"},
            "package_price",
        ),
        ({"model": "percentage", "rate_percent": "10001"}, "rate_percent"),
        (
            {"model": "percentage", "rate_percent": "1", "fee_per_event": "1e15"},
            "fee_per_event",
        ),
        ({"model": "flat", "flat_fee": "1e15"}, "flat_fee"),
    ],
)
def test_what_no_invoice_could_ask_for_is_not_published(
    document: dict[str, Any], param: str
) -> None:
    component = component_from(document)
    with pytest.raises(InvalidRequest, match="too large") as refused:
        require_in_reach(component)
    assert refused.value.param == param


@pytest.mark.parametrize(
    "document",
    [
        UNIT | {"unit_price": "1000000", "maximum": "999999999999999"},
        UNIT | {"unit_price": "5", "included": "1e18"},
        tiered(up_to="1e18", flat_fee="999999999999999"),
        {"model": "package", "package_size": "1e6", "package_price": "1e12"},
        {"model": "percentage", "rate_percent": "10000"},
        {"model": "flat", "flat_fee": "999999999999999"},
    ],
)
def test_what_is_large_is_published(document: dict[str, Any]) -> None:
    component = component_from(document)
    require_in_reach(component)
    # What it charges for a single unit can be kept: a BIGINT of minor units.
    rated = rate(component, Usage(Fraction(1), 1), currency="USD")
    assert 0 <= rated.amount_minor < 2**63
