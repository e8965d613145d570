"""Expansion: ids in an answer become the objects they name, and hidden lists appear.

What may be expanded is what the pinned SDK declares as an id or an object, or as a
list; anything else is refused, as Stripe does.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.standins.stripe import sdk_types
from tests.standins.stripe.account import Account, Json
from tests.standins.stripe.errors import invalid
from tests.standins.stripe.shapes import presented, shown

DEPTH_MAX = 4
Hidden = Callable[[Account, Json], Any]
# What Stripe leaves out of an object until it is asked for, by kind and field.
_HIDDEN: dict[tuple[str, str], Hidden] = {}


def hidden(kind: str, field: str) -> Callable[[Hidden], Hidden]:
    """Register how a field is shown that only an expansion shows."""

    def register(show: Hidden) -> Hidden:
        _HIDDEN[kind, field] = show
        return show

    return register


def expanded(account: Account, answer: Json, paths: list[str]) -> Json:
    """Return the answer as Stripe shows it, with every path expanded."""
    result = presented(account, answer)
    if paths:
        # What is expanded is written into, so it must not be the account's own.
        result = copy.deepcopy(result)
    for path in paths:
        parts = path.split(".")
        if len(parts) - (parts[0] == "data") > DEPTH_MAX:
            raise invalid(f"You cannot expand more than {DEPTH_MAX} levels: {path}")
        _expand(account, result, _Path(path, tuple(parts)))
    return result


@dataclass(frozen=True, slots=True)
class _Path:
    """What is still to be walked, and the SDK's class of the part of an object here."""

    asked: str
    parts: tuple[str, ...]
    part_of: type | None = None

    def hint(self, value: Json) -> Any:
        """Return the SDK's type of the next field, or None when it has none."""
        declared = sdk_types.class_of(value.get("object", "")) or self.part_of
        fields = sdk_types.fields_of(declared) if declared else {}
        return fields.get(self.parts[0])

    def beyond(self, hint: Any) -> "_Path":
        """Return the path from the next field on."""
        return _Path(self.asked, self.parts[1:], sdk_types.nested_class(hint))


def _expand(account: Account, value: Any, path: _Path) -> None:
    if isinstance(value, list):
        for row in value:
            _expand(account, row, path)
    elif isinstance(value, dict) and path.parts:
        name, kind = path.parts[0], value.get("object")
        hint = path.hint(value)
        if (kind, name) != ("list", "data"):
            _check(hint, (str(kind), name), path)
        if value.get(name) is None and (kind, name) in _HIDDEN:
            value[name] = copy.deepcopy(_HIDDEN[str(kind), name](account, value))
        value[name] = _whole(account, value.get(name))
        _expand(account, value[name], path.beyond(hint))


def _check(hint: Any, field: tuple[str, str], path: _Path) -> None:
    goes_on = len(path.parts) > 1 and sdk_types.nested_class(hint) is not None
    if field in _HIDDEN or goes_on or sdk_types.is_expandable(hint):
        return
    raise invalid(f"This property cannot be expanded ({path.asked}).", param="expand")


def _whole(account: Account, value: Any) -> Any:
    """Return the object that an id names, as it is shown; anything else as it is."""
    row = _row(account, value) if isinstance(value, str) else None
    return value if row is None else copy.deepcopy(shown(account, row))


def _row(account: Account, reference: str) -> Json | None:
    for rows in account.rows.values():
        if reference in rows:
            return rows[reference]
    return account.gone.get(reference)
