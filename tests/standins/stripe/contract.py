"""Check parameters against the TypedDicts of the SDK, so that the contract follows it.

What the SDK does not declare is refused, however deep, as is a missing or ill-typed
parameter. Form text becomes the declared type on the way.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import stripe
import typing_extensions
from stripe._request_options import RequestOptions

from tests.standins.stripe.errors import ApiError, invalid

_OPTIONS = frozenset(RequestOptions.__annotations__)


def checked(params: dict[str, Any], declared: type[Any]) -> dict[str, Any]:
    """Return the parameters with their declared types.

    Raises the refusal that Stripe would answer.
    """
    return _checked_dict(params, declared, path="")


def fields_of(declared: object) -> dict[str, Any]:
    """Return the parameters that a TypedDict of the SDK declares, with their types."""
    # The SDK leaves these names to type checkers.
    names = {"StripeContext": stripe.StripeContext, "Mapping": Mapping}
    hints = typing_extensions.get_type_hints(declared, localns=names)
    return {name: hint for name, hint in hints.items() if name not in _OPTIONS}


def _checked_dict(
    params: dict[str, Any], declared: type[Any], *, path: str
) -> dict[str, Any]:
    fields = fields_of(declared)
    result = {}
    for name, value in params.items():
        where = f"{path}[{name}]" if path else name
        if name not in fields:
            raise invalid(
                f"Received unknown parameter: {where}",
                param=where,
                code="parameter_unknown",
            )
        result[name] = _checked(value, fields[name], path=where)
    for name in getattr(declared, "__required_keys__", frozenset()) & fields.keys():
        if name not in params:
            where = f"{path}[{name}]" if path else name
            raise invalid(
                f"Missing required param: {where}.",
                param=where,
                code="parameter_missing",
            )
    return result


def _checked(value: Any, hint: Any, *, path: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _checked_union(value, get_args(hint), path=path)
    if origin is Literal:
        return _one_of(value, get_args(hint), path=path)
    if origin is list:
        return _checked_list(value, get_args(hint)[0], path=path)
    if origin is dict:
        return _checked_map(value, path=path)
    if typing_extensions.is_typeddict(hint):
        if not isinstance(value, dict):
            raise invalid(f"Invalid object: {path}", param=path)
        return _checked_dict(value, hint, path=path)
    return _scalar(value, hint, path=path)


def _checked_union(value: Any, hints: tuple[Any, ...], *, path: str) -> Any:
    refusal: ApiError | None = None
    # `str` takes any text, so it is tried last.
    ordered = sorted(hints, key=lambda hint: hint is str)
    for hint in ordered:
        if hint is NoneType or _is_answer(hint):
            continue
        try:
            return _checked(value, hint, path=path)
        except ApiError as error:
            refusal = error if refusal is None or isinstance(value, dict) else refusal
    raise refusal or invalid(f"Invalid value: {path}", param=path)


def _is_answer(hint: Any) -> bool:
    """Tell whether the type is an object of the SDK, which never arrives as text."""
    kind = get_origin(hint) or hint
    return isinstance(kind, type) and issubclass(kind, stripe.StripeObject)


def _checked_list(value: Any, hint: Any, *, path: str) -> list[Any]:
    if not isinstance(value, dict) or list(value) != [
        str(i) for i in range(len(value))
    ]:
        raise invalid(f"Invalid array: {path}", param=path)
    return [_checked(item, hint, path=f"{path}[{i}]") for i, item in value.items()]


def _checked_map(value: Any, *, path: str) -> dict[str, str]:
    if not isinstance(value, dict) or any(
        isinstance(item, dict) for item in value.values()
    ):
        raise invalid(f"Invalid hash: {path}", param=path)
    if len(value) > 50:
        raise invalid(f"{path} can have at most 50 keys", param=path)
    for key, text in value.items():
        if len(key) > 40 or len(text) > 500:
            raise invalid(f"{path}[{key}] is too long", param=f"{path}[{key}]")
    return value


def _one_of(value: Any, allowed: tuple[Any, ...], *, path: str) -> Any:
    if value not in allowed:
        raise invalid(f"Invalid {path}: must be one of {allowed}", param=path)
    return value


def _scalar(value: Any, hint: Any, *, path: str) -> Any:
    if isinstance(value, dict):
        raise invalid(f"Invalid value: {path}", param=path)
    if hint is bool:
        return _one_of(value, ("true", "false"), path=path) == "true"
    if hint is int:
        if not value.removeprefix("-").isdecimal():
            raise invalid(
                f"Invalid integer: {value}",
                param=path,
                code="parameter_invalid_integer",
            )
        return int(value)
    if hint is Decimal:
        return _plain_decimal(value, path=path)
    if hint is str:
        return value
    raise invalid(f"Invalid value: {path}", param=path)


def _plain_decimal(value: str, *, path: str) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise invalid(f"Invalid decimal: {value}", param=path) from None
    exponent = number.as_tuple().exponent
    if "e" in value.lower() or not isinstance(exponent, int) or -exponent > 12:
        raise invalid(f"Invalid decimal: {value}", param=path)
    return number
