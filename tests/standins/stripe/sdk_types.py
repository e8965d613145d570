"""What the pinned SDK says about the fields of the objects that an API answers."""

import importlib
import sys
import typing
from functools import cache
from typing import Any

import stripe
from stripe._object_classes import OBJECT_CLASSES

_PACKAGES = ("", ".checkout", ".billing", ".billing_portal", ".tax")


def class_of(kind: str) -> type | None:
    """Return the SDK's class for an object's kind."""
    if kind not in OBJECT_CLASSES:
        return None
    module, name = OBJECT_CLASSES[kind]
    declared: type = getattr(importlib.import_module(module), name)
    return declared


@cache
def fields_of(declared: type) -> dict[str, Any]:
    """Return the fields that a class of the SDK declares, with their types."""
    fields: dict[str, Any] = {}
    for base in reversed(declared.__mro__):
        scope = {**vars(sys.modules[base.__module__]), **vars(typing)}
        for name, hint in vars(base).get("__annotations__", {}).items():
            text = hint.__forward_arg__ if hasattr(hint, "__forward_arg__") else hint
            # The SDK leaves some names to type checkers, so they are looked up here.
            fields[name] = _resolved(text, scope) if isinstance(text, str) else text
    return fields


def is_expandable(hint: Any) -> bool:
    """Tell whether the field holds an id or, when asked for, the object or a list."""
    text = str(hint)
    is_object_or_id = "ForwardRef" in text and "str" in text
    return is_object_or_id or "ListObject" in text


def nested_class(hint: Any) -> type | None:
    """Return the class of the objects that a field holds, also inside a list."""
    parts = typing.get_args(hint)
    is_list = typing.get_origin(hint) is stripe.ListObject
    if not is_list and isinstance(hint, type) and issubclass(hint, stripe.StripeObject):
        return hint
    if is_list:
        return stripe.ListObject
    found = (nested_class(part) for part in parts)
    return next((part for part in found if part is not None), None)


def _resolved(text: str, scope: dict[str, Any]) -> Any:
    # Written by the SDK's authors, not by whoever calls the stand-in.
    return eval(text, scope, _names())  # noqa: S307


@cache
def _names() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for package in _PACKAGES:
        module = importlib.import_module(f"stripe{package}")
        for name in dir(module):
            found.setdefault(name, getattr(module, name))
    return found
