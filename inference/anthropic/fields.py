"""Look into a body of Anthropic's API: what is there, of which kind, and nothing else.

Its errors name no field beside the message, so that each message says where it is.
Failure: `InvalidRequest`. Pure.
"""

from collections.abc import Collection, Mapping
from typing import Any

from kit.errors import InvalidRequest
from kit.json_values import JsonObject, is_array, is_object


def refuse(message: str, param: str, *, code: str | None = None) -> InvalidRequest:
    """Return the error for a field."""
    return InvalidRequest(message, param=param[:100], code=code)


def object_at(value: object, where: str) -> JsonObject:
    """Return an object."""
    if not is_object(value):
        raise refuse(f"'{where}' must be an object.", where)
    return value


def list_at(value: object, where: str) -> list[Any]:
    """Return a list."""
    if not is_array(value):
        raise refuse(f"'{where}' must be a list.", where)
    return value


def text_at(values: Mapping[str, Any], name: str, where: str) -> str:
    """Return a text that must be there."""
    value = values.get(name)
    if not isinstance(value, str):
        raise refuse(f"'{where}.{name}' must be text.", f"{where}.{name}")
    return value


def flag_at(values: Mapping[str, Any], name: str, where: str) -> bool:
    """Return a flag; one that is not there is not set."""
    value = values.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        place = f"{where}.{name}" if where else name
        raise refuse(f"'{place}' must be true or false.", place)
    return value


def only(values: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Refuse an object that says more than is known here."""
    if unknown := values.keys() - set(known):
        name = f"{where}.{min(unknown)}"[:100]
        raise refuse(
            f"The parameter '{name}' is not supported here. Remove it.",
            name,
            code="unsupported_parameter",
        )


def type_at(values: Mapping[str, Any], where: str) -> str:
    """Return what an object says it is."""
    return text_at(values, "type", where)
