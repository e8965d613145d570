"""What other systems document and test, and cases of our own in the same form."""

import json
from pathlib import Path
from typing import Any

import pytest

from metering.pricing.components.documents import rated_document

DOCUMENTED = json.loads((Path(__file__).parent / "pricing.json").read_text())
TIERS = [
    {"up_to": "5", "unit_price": "7", "flat_fee": "1"},
    {"up_to": 10, "unit_price": "6.5"},
    {"up_to": None, "unit_price": "6", "flat_fee": "2.5"},
]
GRADUATED = {"model": "graduated", "tiers": TIERS}
VOLUME = {"model": "volume", "tiers": TIERS}
UNIT = {"model": "per_unit", "unit_price": "1"}
PACKAGE = {"model": "package", "package_size": "10", "package_price": "100"}
FLAT = {"model": "flat", "flat_fee": "20"}
SHARE = {"model": "percentage", "rate_percent": "2.9"}
LARGE = "123456789012345678901234567890"
PER_MILLION = {"unit_size": "1000000"}


def amount_of(component: Any, quantity: Any, **more: Any) -> str:
    case = {"component": component, "quantity": quantity, **more}
    (rated,) = json.loads(rated_document(json.dumps([case]).encode()))
    amount: str = rated["amount"]
    return amount


@pytest.mark.parametrize("case", DOCUMENTED, ids=lambda case: str(case["id"]))
def test_documented_case(case: dict[str, Any]) -> None:
    assert amount_of(case["component"], case["quantity"]) == case["amount"]


def test_there_are_as_many_as_there_should_be() -> None:
    assert len(DOCUMENTED) == 33


@pytest.mark.parametrize(
    ("component", "quantity", "amount"),
    [
        # A tier's end is still inside of it; a little more enters the next.
        (GRADUATED, "5", "36"),
        (GRADUATED, "5.000001", "36"),
        (GRADUATED, "5.01", "36.07"),
        (GRADUATED, "10", "68.50"),
        (GRADUATED, "10.001", "71.01"),
        (VOLUME, "5", "36"),
        (VOLUME, "5.000001", "32.50"),
        (VOLUME, "10", "65"),
        (VOLUME, "10.5", "65.50"),
        # Nothing was used: no tier is entered, unless that is asked for.
        (GRADUATED, "0", "0"),
        (VOLUME, "0", "0"),
        (GRADUATED | {"charge_zero_usage": True}, "0", "1"),
        (VOLUME | {"charge_zero_usage": True}, "0.0", "1"),
        (UNIT | {"charge_zero_usage": True}, "0", "0"),
        (PACKAGE | {"charge_zero_usage": True}, "0", "0"),
        # Free units come first: tiers and packages count from behind them.
        (GRADUATED | {"included": "100"}, "100", "0"),
        (GRADUATED | {"included": "100"}, "106", "42.50"),
        (GRADUATED | {"included": "100", "charge_zero_usage": True}, "40", "1"),
        (VOLUME | {"included": "100"}, "110", "65"),
        (UNIT | {"included": "0.5"}, "2", "1.50"),
        (PACKAGE | {"included": "0.5"}, "10.5", "100"),
        (PACKAGE, "10.000000000000000000001", "200"),
        # A minimum is due without use, a maximum cuts what is above it.
        (UNIT | {"minimum": "100"}, "0", "100"),
        (UNIT | {"minimum": "100", "included": "80"}, "150", "100"),
        (UNIT | {"maximum": "100"}, "100.004", "100"),
        (UNIT | {"maximum": "100", "minimum": "100"}, "7", "100"),
        (UNIT | {"maximum": "0"}, "7", "0"),
        (GRADUATED | {"maximum": "40"}, "6", "40"),
        # Prices for many units; tiers still end at single ones.
        (GRADUATED | PER_MILLION, "6", "1"),
        (VOLUME | PER_MILLION, "1000000", "8.50"),
        (UNIT | {"unit_size": "3"}, "1", "0.33"),
        (UNIT | {"unit_size": "3"}, "6", "2"),
        # One fee for any use.
        (FLAT, "0", "0"),
        (FLAT, "0.001", "20"),
        (FLAT | {"included": "5"}, "5", "0"),
        (FLAT | {"charge_zero_usage": True}, "0", "20"),
        # A share of an amount.
        (SHARE, "1000", "29"),
        (SHARE | {"included": "500"}, "1000", "14.50"),
        (SHARE | {"minimum": "30"}, "1000", "30"),
        # Sizes that no float and no 28-digit decimal gets right.
        (UNIT, LARGE + ".125", LARGE + ".13"),
        (UNIT | {"unit_price": "0.000000000000005"}, "1000000000000", "0.01"),
        (UNIT | {"unit_price": "0.01999999999999999872"}, "1", "0.02"),
        (UNIT | {"unit_price": "0.00499999999999999999999"}, "1", "0"),
        (UNIT | {"unit_price": "2.5e-3"}, "1e3", "2.50"),
    ],
)
def test_case_of_our_own(component: Any, quantity: str, amount: str) -> None:
    assert amount_of(component, quantity) == amount


@pytest.mark.parametrize(
    ("currency", "amount"),
    [("USD", "10.51"), ("JPY", "11"), ("KRW", "11"), ("BHD", "10.505")],
)
def test_currency_decides_where_a_line_is_rounded(currency: str, amount: str) -> None:
    price = {"model": "per_unit", "unit_price": "10.505"}
    assert amount_of(price, "1", currency=currency) == amount


def test_whole_amounts_bear_no_places() -> None:
    assert amount_of(UNIT, "100", currency="JPY") == "100"
    assert amount_of(UNIT, "100", currency="BHD") == "100"
    assert amount_of(UNIT, "0.5", currency="BHD") == "0.500"


def test_events_bear_fees_beyond_those_included() -> None:
    price = SHARE | {"fee_per_event": "0.30", "included_events": "2"}
    assert amount_of(price, "1000", events="5") == "29.90"
    assert amount_of(price, "1000", events=2) == "29"
    assert amount_of(price, "0", events="3") == "0.30"
    assert amount_of(SHARE | {"fee_per_event": "0.30"}, "0", events="1") == "0.30"
