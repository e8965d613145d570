"""What parsed JSON turned out to be, said to the type checker too.

An `isinstance` of `dict` tells it nothing about keys and values; JSON's objects have
names as keys, and values of any kind.
"""

from typing import Any, TypeGuard

JsonObject = dict[str, Any]
JsonArray = list[Any]


def is_object(value: object) -> TypeGuard[JsonObject]:
    """Tell whether a parsed value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[JsonArray]:
    """Tell whether a parsed value is an array."""
    return isinstance(value, list)
