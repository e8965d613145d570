"""Check parameters against the TypedDicts of the SDK, so that the contract follows it.

What the SDK does not declare is refused, however deep, as is a missing or ill-typed
parameter. Form text becomes the declared type on the way. Each type is turned into its
check once: an invoice of 240 lines has thousands of parameters.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import stripe
import typing_extensions
from stripe._request_options import RequestOptions

from tests.standins.stripe.errors import ApiError, invalid

_OPTIONS = frozenset(RequestOptions.__annotations__)
# Takes a decoded value and the path that a refusal names.
Check = Callable[[Any, str], Any]


def checked(params: dict[str, Any], declared: Any) -> dict[str, Any]:
    """Return the parameters with their declared types.

    Raises the refusal that Stripe would answer.
    """
    result: dict[str, Any] = _check_of(declared)(params, "")
    return result


@cache
def fields_of(declared: Any) -> dict[str, Any]:
    """Return the parameters that a TypedDict of the SDK declares, with their types."""
    # The SDK leaves these names to type checkers.
    names = {"StripeContext": stripe.StripeContext, "Mapping": Mapping}
    hints = typing_extensions.get_type_hints(declared, localns=names)
    return {name: hint for name, hint in hints.items() if name not in _OPTIONS}


@cache
def _check_of(hint: Any) -> Check:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return partial(_checked_union, _ordered(get_args(hint)))
    if origin is Literal:
        return partial(_one_of, get_args(hint))
    if origin is list:
        return partial(_checked_list, _check_of(get_args(hint)[0]))
    if origin is dict:
        return _checked_map
    if typing_extensions.is_typeddict(hint):
        return partial(_checked_dict, hint)
    return _SCALARS.get(hint, _refused)


@cache
def _checks_of(declared: Any) -> dict[str, Check]:
    return {name: _check_of(hint) for name, hint in fields_of(declared).items()}


@cache
def _required_of(declared: Any) -> frozenset[str]:
    required: frozenset[str] = getattr(declared, "__required_keys__", frozenset())
    return required.intersection(fields_of(declared))


def _checked_dict(declared: Any, params: Any, path: str) -> dict[str, Any]:
    if not isinstance(params, dict):
        raise invalid(f"Invalid object: {path}", param=path)
    checks = _checks_of(declared)
    result = {}
    for name, value in params.items():
        where = f"{path}[{name}]" if path else name
        if name not in checks:
            raise invalid(
                f"Received unknown parameter: {where}",
                param=where,
                code="parameter_unknown",
            )
        result[name] = checks[name](value, where)
    for name in _required_of(declared):
        if name not in params:
            where = f"{path}[{name}]" if path else name
            raise invalid(
                f"Missing required param: {where}.",
                param=where,
                code="parameter_missing",
            )
    return result


def _ordered(hints: tuple[Any, ...]) -> tuple[Any, ...]:
    # `str` takes any text, so it is tried last.
    tried = [hint for hint in hints if hint is not NoneType and not _is_answer(hint)]
    return tuple(sorted(tried, key=lambda hint: hint is str))


def _checked_union(hints: tuple[Any, ...], value: Any, path: str) -> Any:
    refusal: ApiError | None = None
    for hint in hints:
        try:
            return _check_of(hint)(value, path)
        except ApiError as error:
            refusal = error if refusal is None or isinstance(value, dict) else refusal
    raise refusal or invalid(f"Invalid value: {path}", param=path)


def _is_answer(hint: Any) -> bool:
    """Tell whether the type is an object of the SDK, which never arrives as text."""
    kind = get_origin(hint) or hint
    return isinstance(kind, type) and issubclass(kind, stripe.StripeObject)


def _checked_list(check: Check, value: Any, path: str) -> list[Any]:
    if not isinstance(value, dict) or list(value) != [
        str(i) for i in range(len(value))
    ]:
        raise invalid(f"Invalid array: {path}", param=path)
    return [check(item, f"{path}[{i}]") for i, item in value.items()]


def _checked_map(value: Any, path: str) -> dict[str, str]:
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


def _one_of(allowed: tuple[Any, ...], value: Any, path: str) -> Any:
    if value not in allowed:
        raise invalid(f"Invalid {path}: must be one of {allowed}", param=path)
    return value


def _refused(_: Any, path: str) -> Any:
    raise invalid(f"Invalid value: {path}", param=path)


def _boolean(value: Any, path: str) -> bool:
    return bool(_one_of(("true", "false"), value, path) == "true")


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise invalid(f"Invalid value: {path}", param=path)
    return value


def _integer(value: Any, path: str) -> int:
    if not _text(value, path).removeprefix("-").isdecimal():
        raise invalid(
            f"Invalid integer: {value}", param=path, code="parameter_invalid_integer"
        )
    return int(value)


def _plain_decimal(value: Any, path: str) -> Decimal:
    try:
        number = Decimal(_text(value, path))
    except InvalidOperation:
        raise invalid(f"Invalid decimal: {value}", param=path) from None
    exponent = number.as_tuple().exponent
    if "e" in value.lower() or not isinstance(exponent, int) or -exponent > 12:
        raise invalid(f"Invalid decimal: {value}", param=path)
    return number


_SCALARS: dict[Any, Check] = {
    bool: _boolean,
    int: _integer,
    Decimal: _plain_decimal,
    str: _text,
}
