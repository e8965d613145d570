"""A component is read as it is meant, or the field that is wrong is named."""

from fractions import Fraction
from typing import Any

import pytest

from kit.errors import InvalidRequest
from metering.pricing.components.kinds import (
    TIERS_MAX,
    Component,
    Flat,
    Graduated,
    Package,
    Percentage,
    PerUnit,
    Tier,
    Volume,
)
from metering.pricing.components.reading import MODELS, component_from

END = {"up_to": None, "unit_price": "1"}
NOT_OBJECTS: tuple[object, ...] = (None, [], "per_unit", 1, True)
NOT_MODELS: tuple[object, ...] = (None, "", "tiered", "PER_UNIT", 1, ["flat"], {})
NOT_FLAGS: tuple[object, ...] = ("true", "", 0, 1, [])
UNIT = {"model": "per_unit", "unit_price": "1"}


def upto(*ends: Any) -> list[dict[str, Any]]:
    return [{"up_to": end, "unit_price": "1"} for end in ends]


def graduated(*ends: Any, **more: Any) -> dict[str, Any]:
    return {"model": "graduated", "tiers": upto(*ends)} | more


def test_every_field_arrives() -> None:
    document = {
        "model": "volume",
        "tiers": [
            {"up_to": "5", "unit_price": "7", "flat_fee": "2"},
            {"up_to": None, "flat_fee": "3"},
        ],
        "unit_size": "1000",
        "included": "10",
        "minimum": "0.5",
        "maximum": 100,
        "charge_zero_usage": True,
    }
    first = Tier(up_to=Fraction(5), unit_price=Fraction(7), flat_fee=Fraction(2))
    last = Tier(up_to=None, unit_price=Fraction(0), flat_fee=Fraction(3))
    assert component_from(document) == Component(
        model=Volume(tiers=(first, last), unit_size=Fraction(1000)),
        included=Fraction(10),
        minimum=Fraction(1, 2),
        maximum=Fraction(100),
        charge_zero_usage=True,
    )


@pytest.mark.parametrize(
    ("document", "model"),
    [
        (UNIT, PerUnit(unit_price=Fraction(1))),
        (
            UNIT | {"unit_size": "2"},
            PerUnit(unit_price=Fraction(1), unit_size=Fraction(2)),
        ),
        (graduated(None), Graduated(tiers=(Tier(up_to=None, unit_price=Fraction(1)),))),
        (
            {"model": "package", "package_size": "2", "package_price": "3"},
            Package(package_size=Fraction(2), package_price=Fraction(3)),
        ),
        (
            {
                "model": "percentage",
                "rate_percent": "2",
                "fee_per_event": "3",
                "included_events": 4,
            },
            Percentage(
                rate_percent=Fraction(2), fee_per_event=Fraction(3), included_events=4
            ),
        ),
        (
            {"model": "percentage", "rate_percent": "2"},
            Percentage(rate_percent=Fraction(2)),
        ),
        ({"model": "flat", "flat_fee": "0"}, Flat(flat_fee=Fraction(0))),
    ],
)
def test_each_model(document: dict[str, Any], model: object) -> None:
    assert component_from(document) == Component(model=model)  # type: ignore[arg-type]
    optional = ("included", "minimum", "maximum", "charge_zero_usage")
    assert component_from(document | dict.fromkeys(optional)) == component_from(
        document
    )


@pytest.mark.parametrize(
    ("document", "param", "reason"),
    [
        *((value, None, "give an object") for value in NOT_OBJECTS),
        *(
            ({"model": name}, "model", "give one of per_unit, graduated, volume")
            for name in NOT_MODELS
        ),
        ({"unit_price": "1"}, "model", "give one of"),
        # What is missing, and what nobody knows.
        ({"model": "per_unit"}, "unit_price", "missing"),
        ({"model": "per_unit", "unit_price": None}, "unit_price", "missing"),
        ({"model": "package", "package_size": "1"}, "package_price", "missing"),
        ({"model": "package", "package_price": "1"}, "package_size", "missing"),
        ({"model": "percentage"}, "rate_percent", "missing"),
        ({"model": "flat"}, "flat_fee", "missing"),
        ({"model": "graduated"}, "tiers", "list of tiers"),
        (
            UNIT | {"includes": "1"},
            "includes",
            "there are model, unit_price, unit_size",
        ),
        (UNIT | {"tiers": [END]}, "tiers", "no such field"),
        (graduated(None, package_size="1"), "package_size", "no such field"),
        ({"model": "flat", "flat_fee": "1", "x" * 99: 1}, "x" * 40, "no such field"),
        (
            {"model": "volume", "tiers": [END | {"to": "5"}]},
            "tiers[0].to",
            "there are flat_fee, up_to, unit_price",
        ),
        # Tiers that leave a gap, overlap, or never end.
        ({"model": "volume", "tiers": []}, "tiers", "at least one"),
        ({"model": "volume", "tiers": {}}, "tiers", "list of tiers"),
        ({"model": "volume", "tiers": "5"}, "tiers", "list of tiers"),
        ({"model": "volume", "tiers": ["5"]}, "tiers[0]", "give an object"),
        ({"model": "volume", "tiers": [{"unit_price": "1"}]}, "tiers[0].up_to", "null"),
        (
            {"model": "volume", "tiers": [{"up_to": None}]},
            "tiers[0].unit_price",
            "missing",
        ),
        (graduated("5"), "tiers[0].up_to", "write null"),
        (graduated("5", "10"), "tiers[1].up_to", "write null"),
        (graduated(None, None), "tiers[0].up_to", "only the last"),
        (graduated("5", "5", None), "tiers[1].up_to", "rising order"),
        (graduated("5", "4.9", None), "tiers[1].up_to", "rising order"),
        (graduated("5", "10", "7", None), "tiers[2].up_to", "rising order"),
        (graduated("0", None), "tiers[0].up_to", "more than zero"),
        (graduated("inf", None), "tiers[0].up_to", "not a number"),
        (graduated(*range(1, TIERS_MAX + 1), None), "tiers", "at most 100"),
        # Numbers that make no sense where they stand.
        (UNIT | {"unit_price": "-1"}, "unit_price", "negative"),
        (UNIT | {"unit_price": 0.1}, "unit_price", "as text"),
        (UNIT | {"unit_price": True}, "unit_price", "as text"),
        (UNIT | {"unit_size": "0"}, "unit_size", "more than zero"),
        (graduated(None, unit_size="0"), "unit_size", "more than zero"),
        (
            {"model": "volume", "tiers": [END], "unit_size": "0"},
            "unit_size",
            "more than zero",
        ),
        (
            {"model": "package", "package_size": "0.0", "package_price": "1"},
            "package_size",
            "more than zero",
        ),
        (UNIT | {"included": "1e999999"}, "included", "too many digits"),
        (UNIT | {"minimum": "NaN"}, "minimum", "not a number"),
        (UNIT | {"minimum": "10", "maximum": "9.99"}, "maximum", "below the minimum"),
        (
            {"model": "percentage", "rate_percent": "1", "included_events": "1.5"},
            "included_events",
            "whole number",
        ),
        *(
            (UNIT | {"charge_zero_usage": value}, "charge_zero_usage", "true or false")
            for value in NOT_FLAGS
        ),
    ],
)
def test_what_is_refused(document: Any, param: str | None, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        component_from(document)
    assert refused.value.param == param
    assert reason in refused.value.message


def test_a_hundred_tiers_are_taken() -> None:
    component = component_from(graduated(*range(1, TIERS_MAX), None))
    assert isinstance(component.model, Graduated)
    assert len(component.model.tiers) == TIERS_MAX


def test_every_model_is_named_in_the_list() -> None:
    for model in MODELS:
        with pytest.raises(InvalidRequest) as refused:
            component_from({"model": model})
        assert refused.value.param != "model"
