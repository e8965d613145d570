"""Read a component from JSON, strictly: what is not understood is refused. Pure.

A price that is misread is charged for months, so nothing is guessed: an unknown field
is a typing mistake, a number is text (or a JSON number still as it was written), null
means "not given" where a field may be left out.

Failure: `InvalidRequest` whose `param` is the field's path within the component, such
as `tiers[1].up_to`, and whose message says what to change.
"""

from fractions import Fraction

from kit.errors import InvalidRequest
from kit.json_values import JsonObject, is_array, is_object
from metering.pricing.components.decimals import fraction_from
from metering.pricing.components.kinds import (
    ONE,
    ZERO,
    Component,
    Flat,
    Graduated,
    Model,
    Package,
    Percentage,
    PerUnit,
    Tier,
    Volume,
)

MODELS = ("per_unit", "graduated", "volume", "package", "percentage", "flat")


def component_from(document: object) -> Component:
    """Return the component that a JSON object states.

    Raises `InvalidRequest` for the first thing in it that is not right.
    """
    fields = _Fields(document, "")
    component = Component(
        model=_model(fields),
        included=fields.number("included", ZERO),
        minimum=fields.number("minimum", ZERO),
        maximum=fields.number_or_none("maximum"),
        charge_zero_usage=fields.flag("charge_zero_usage"),
    )
    fields.require_no_others()
    return component


class _Fields:
    """An object's fields, taken one by one; what nobody asked for is an error."""

    def __init__(self, document: object, path: str) -> None:
        if not is_object(document):
            raise InvalidRequest("give an object with fields", param=path or None)
        self._values: JsonObject = document
        self._prefix = f"{path}." if path else ""
        self._known: dict[str, None] = {}

    def path(self, name: str) -> str:
        """Return where a field stands, for messages."""
        return f"{self._prefix}{name}"

    def get(self, name: str) -> object:
        """Return a field's value, None where it is left out."""
        self._known[name] = None
        return self._values.get(name)

    def has(self, name: str) -> bool:
        """Tell whether the field stands there, be it as null."""
        return name in self._values

    def number(self, name: str, default: Fraction | None = None) -> Fraction:
        """Return a number; the field may be left out if there is a default."""
        stated = self.number_or_none(name)
        if stated is not None:
            return stated
        if default is None:
            raise InvalidRequest("it is missing: give a number", param=self.path(name))
        return default

    def number_or_none(self, name: str) -> Fraction | None:
        """Return a number, or None where it is left out."""
        value = self.get(name)
        return None if value is None else fraction_from(value, field=self.path(name))

    def flag(self, name: str) -> bool:
        """Return true or false, false where it is left out."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise InvalidRequest("write true or false, unquoted", param=self.path(name))

    def require_no_others(self) -> None:
        """Refuse fields that nobody asked for."""
        for name in self._values:
            if name not in self._known:
                shown = name[:40]
                raise InvalidRequest(
                    f"there is no such field here; there are {', '.join(self._known)}",
                    param=self.path(shown),
                )


def _model(fields: _Fields) -> Model:
    match fields.get("model"):
        case "per_unit":
            return PerUnit(
                unit_price=fields.number("unit_price"),
                unit_size=fields.number("unit_size", ONE),
            )
        case "graduated":
            return Graduated(
                tiers=_tiers(fields), unit_size=fields.number("unit_size", ONE)
            )
        case "volume":
            return Volume(
                tiers=_tiers(fields), unit_size=fields.number("unit_size", ONE)
            )
        case "package":
            return Package(
                package_size=fields.number("package_size"),
                package_price=fields.number("package_price"),
            )
        case "percentage":
            return Percentage(
                rate_percent=fields.number("rate_percent"),
                fee_per_event=fields.number("fee_per_event", ZERO),
                included_events=_count(fields, "included_events"),
            )
        case "flat":
            return Flat(flat_fee=fields.number("flat_fee"))
        case _:
            raise InvalidRequest(f"give one of {', '.join(MODELS)}", param="model")


def _count(fields: _Fields, name: str) -> int:
    number = fields.number(name, ZERO)
    if number.denominator != 1:
        raise InvalidRequest("it must be a whole number", param=fields.path(name))
    return number.numerator


def _tiers(fields: _Fields) -> tuple[Tier, ...]:
    listed = fields.get("tiers")
    if not is_array(listed):
        raise InvalidRequest("give a list of tiers", param=fields.path("tiers"))
    return tuple(
        _tier(document, f"tiers[{index}]") for index, document in enumerate(listed)
    )


def _tier(document: object, path: str) -> Tier:
    fields = _Fields(document, path)
    if not fields.has("up_to"):
        raise InvalidRequest(
            "it is missing: say where the tier ends, or null for no end",
            param=fields.path("up_to"),
        )
    # A tier may consist of its fee; without either it would be free by a mistake.
    has_fee = fields.number_or_none("flat_fee") is not None
    tier = Tier(
        up_to=fields.number_or_none("up_to"),
        unit_price=fields.number("unit_price", ZERO if has_fee else None),
        flat_fee=fields.number("flat_fee", ZERO),
    )
    fields.require_no_others()
    return tier
