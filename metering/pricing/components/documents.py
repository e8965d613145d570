"""Rate a list of cases from one JSON document into another. Pure.

A case is `{"component", "quantity"}`, with `currency` (USD if left out) and `events`
where they matter. Its `amount` is filled in; all else, `id` and `source` and what we do
not know, goes out as it came in, numbers to their last digit.

Failure: `InvalidRequest` that names the case and the field; nothing is rated then.
"""

import json
import re
from typing import NoReturn

from kit.errors import InvalidRequest
from kit.json_values import JsonObject, is_array, is_object
from kit.money import decimal_from_minor, exponent
from metering.pricing.components.decimals import JsonNumber, fraction_from
from metering.pricing.components.kinds import Component, Percentage
from metering.pricing.components.rating import Usage, rate
from metering.pricing.components.reading import component_from

BYTES_MAX = 64 * 2**20
DEFAULT_CURRENCY = "USD"


def rated_document(data: bytes) -> str:
    """Return the cases of a JSON list, each with its `amount`.

    Raises `InvalidRequest` for what is no such list, and for the first bad case.
    """
    try:
        cases = _parsed(data)
        if not is_array(cases):
            raise InvalidRequest("give a list of cases: [{...}, ...]")
        rated = [_rated_case(case, number) for number, case in enumerate(cases, 1)]
        return _written(rated, "\n")
    except RecursionError:
        raise InvalidRequest("the document is nested too deeply") from None


def amount_text(minor: int, currency: str) -> str:
    """Write an amount as a plain decimal, a whole one without places: `41.50`, `7`."""
    text = decimal_from_minor(minor, currency)
    return text.removesuffix("." + "0" * exponent(currency))


def _rated_case(case: object, number: int) -> JsonObject:
    if not is_object(case):
        raise InvalidRequest(f"case {number}: give an object with component, quantity")
    stated = case.get("id")
    name = f"'{stated[:80]}'" if isinstance(stated, str) else str(number)
    try:
        return {**case, "amount": _amount(case)}
    except InvalidRequest as error:
        field = f"{error.param}: " if error.param else ""
        raise InvalidRequest(
            f"case {name}: {field}{error.message}", param=error.param
        ) from None


def _amount(case: JsonObject) -> str:
    for name in ("component", "quantity"):
        if case.get(name) is None:
            raise InvalidRequest("it is missing", param=name)
    component = _component(case["component"])
    usage = Usage(
        fraction_from(case["quantity"], field="quantity"),
        _events(case.get("events"), component),
    )
    currency = case.get("currency")
    if currency is None:
        currency = DEFAULT_CURRENCY
    if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
        raise InvalidRequest("use an ISO 4217 code such as USD", param="currency")
    return amount_text(rate(component, usage, currency=currency).amount_minor, currency)


def _component(document: object) -> Component:
    try:
        return component_from(document)
    except InvalidRequest as error:
        path = f"component.{error.param}" if error.param else "component"
        raise InvalidRequest(error.message, param=path) from None


def _events(stated: object, component: Component) -> int:
    if stated is None:
        model = component.model
        if isinstance(model, Percentage) and model.fee_per_event:
            raise InvalidRequest(
                "it is missing: each event bears a fee, say how many there were",
                param="events",
            )
        return 0
    events = fraction_from(stated, field="events")
    if events.denominator != 1:
        raise InvalidRequest("it must be a whole number", param="events")
    return events.numerator


def _parsed(data: bytes) -> object:
    if len(data) > BYTES_MAX:
        raise InvalidRequest(f"the document is longer than {BYTES_MAX:,} bytes")
    try:
        return json.loads(
            data.decode("utf-8-sig"),
            parse_int=JsonNumber,
            parse_float=JsonNumber,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        raise InvalidRequest("the document is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"the document is not JSON: {error.msg} at line {error.lineno}, "
            f"column {error.colno}"
        ) from None


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"{name} is no number of JSON")


def _object(pairs: list[tuple[str, object]]) -> JsonObject:
    """Refuse an object that says something twice: only one of both could be meant."""
    made: JsonObject = {}
    for name, value in pairs:
        if name in made:
            raise InvalidRequest(f"an object gives a field twice: '{name[:40]}'")
        made[name] = value
    return made


def _written(value: object, newline: str) -> str:
    """Write JSON as `json.dumps(indent=1)` does, and numbers as they were read."""
    if isinstance(value, JsonNumber):
        return value.text
    deeper = f"{newline} "
    if is_object(value) and value:
        items = [
            f"{json.dumps(name)}: {_written(item, deeper)}"
            for name, item in value.items()
        ]
        return f"{{{deeper}{f',{deeper}'.join(items)}{newline}}}"
    if is_array(value) and value:
        items = [_written(item, deeper) for item in value]
        return f"[{deeper}{f',{deeper}'.join(items)}{newline}]"
    return json.dumps(value)
