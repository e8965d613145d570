"""Hold an object that the stand-in shows against what the pinned SDK declares of it."""

from collections.abc import Iterator
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

import stripe

from tests.standins.stripe import sdk_types

# Shown by Stripe, and without a type in its SDK.
_UNTYPED = {"subscription", "enhanced_eligibility_types"}


def misfits(row: dict[str, Any]) -> Iterator[str]:
    """Name what is unknown to the SDK in an object, missing from it, or ill-typed."""
    declared = sdk_types.class_of(row["object"])
    assert declared is not None, row["object"]
    yield from _object(row, declared, row["object"])


def _object(value: Any, declared: type, path: str) -> Iterator[str]:
    fields = sdk_types.fields_of(declared)
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no object"
        return
    if not fields or "Untyped" in declared.__name__:
        return
    for name, part in value.items():
        if name in fields:
            yield from _value(part, fields[name], f"{path}.{name}")
        elif name not in _UNTYPED:
            yield f"{path}.{name}: unknown"
    for name, hint in fields.items():
        optional = NoneType in get_args(hint) or name in ("OBJECT_NAME", "deleted")
        if name not in value and not optional and not name.startswith("_"):
            yield f"{path}.{name}: missing"


def _value(value: Any, hint: Any, path: str) -> Iterator[str]:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        wrong = [list(_value(value, part, path)) for part in get_args(hint)]
        if all(wrong):
            yield min(wrong, key=len)[0]
    elif origin is list and isinstance(value, list):
        for i, part in enumerate(value):
            yield from _value(part, get_args(hint)[0], f"{path}[{i}]")
    elif origin is None and isinstance(hint, type) and _is_object(hint):
        yield from _object(value, hint, path)
    elif not _fits(value, hint):
        yield f"{path}: {value!r} is no {hint}"


def _is_object(hint: type) -> bool:
    return issubclass(hint, stripe.StripeObject)


def _fits(value: Any, hint: Any) -> bool:
    """Tell whether a value without parts of its own has the declared type."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is stripe.ListObject:
        return isinstance(value, dict) and value.get("object") == "list"
    if get_origin(hint) is not None or isinstance(hint, ForwardRef):
        return isinstance(value, dict)
    if hint is int or hint is float:
        numbers = (int, float) if hint is float else int
        return isinstance(value, numbers) and not isinstance(value, bool)
    if hint is Decimal:
        return isinstance(value, str)
    return isinstance(value, hint)
