"""Serializers that take what they know and refuse the rest.

A misspelt field or filter that is silently dropped does something else than was asked
for: a filter would show every tenant's rows. Nor is a value of another JSON type turned
into the one that is meant: `"no"` is no boolean.
"""

import re
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

# Of each wrong field, what is wrong with it.
_Faults = dict[str, list[ErrorDetail]]
# What JSON must give for a field, and how to say so.
_TYPES: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], type, str], ...] = (
    (serializers.CharField, str, "Give text."),
    (serializers.BooleanField, bool, "Give true or false."),
    (serializers.IntegerField, int, "Give a whole number."),
    (serializers.PrimaryKeyRelatedField, int, "Give an id, a whole number."),
    (serializers.SlugRelatedField, str, "Give a name, as text."),
)
# Python reads `1_0` and digits of other scripts as numbers too.
_DIGITS = re.compile(r"-?[0-9]+")
# Read by the pagination, so not a list's own filters.
_PAGING = frozenset({"cursor", "limit"})


class Input(serializers.Serializer[Any]):
    """What a request's body may hold."""

    def to_internal_value(self, data: Any) -> Any:
        """Read the fields; what is wrong of all of them is said at once."""
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        wrong = self._unknown(data.keys() - self.fields.keys())
        wrong |= self._other_types(data)
        try:
            values = super().to_internal_value(
                {name: value for name, value in data.items() if name not in wrong}
            )
        except serializers.ValidationError as refused:
            # What is wrong was left out above; that it is missing is no other fault.
            rest = {
                name: self._said(name, faults)
                for name, faults in _by_field(refused.detail).items()
                if name not in wrong
            }
            raise serializers.ValidationError({**wrong, **rest}) from None
        if wrong:
            raise serializers.ValidationError(wrong)
        return values

    def _other_types(self, data: Mapping[str, Any]) -> _Faults:
        return {
            name: [ErrorDetail(fault, "invalid_type")]
            for name, field in self.fields.items()
            if name in data and (fault := _type_fault(field, data[name]))
        }

    def _unknown(self, names: set[str]) -> _Faults:
        message = f"There is no such field; there are: {', '.join(self.fields)}."
        return {name: [ErrorDetail(message, "unknown_field")] for name in sorted(names)}

    def _said(self, name: str, faults: Any) -> Any:
        """Say of a refused choice what there is to choose from."""
        field = self.fields.get(name)
        if not isinstance(field, serializers.ChoiceField):
            return faults
        choices = ", ".join(str(choice) for choice in field.choices)
        return [
            ErrorDetail(f"Choose one of: {choices}.", fault.code)
            if fault.code == "invalid_choice"
            else fault
            for fault in faults
        ]


class Filters(Input):
    """What a list may be narrowed by, in its query."""

    def _unknown(self, names: set[str]) -> _Faults:
        return super()._unknown(names - _PAGING)

    def _other_types(self, data: Mapping[str, Any]) -> _Faults:
        """Take what a query has: text, of numbers in plain digits."""
        return {
            name: [ErrorDetail("Give a whole number.", "invalid")]
            for name, field in self.fields.items()
            if isinstance(field, serializers.IntegerField)
            and isinstance(given := data.get(name), str)
            and not _DIGITS.fullmatch(given)
        }


def _by_field(detail: Any) -> dict[str, Any]:
    """Return faults by field; those that are of none stand where DRF puts them."""
    return detail if isinstance(detail, dict) else {"non_field_errors": detail}


def _type_fault(field: Any, value: Any) -> str | None:
    """Say what a field wants that is given something of another type."""
    if value is None:
        return None
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        faults = (_type_fault(field.child, each) for each in value)
        return next((fault for fault in faults if fault), None)
    for kind, wanted, message in _TYPES:
        if isinstance(field, kind):
            # To Python a boolean is an integer.
            fits = isinstance(value, wanted) and isinstance(value, bool) is (
                wanted is bool
            )
            if kind is serializers.SlugRelatedField and fits and "\x00" in value:
                # The database has no such character, and would refuse to look.
                return "There is nothing of that name."
            return None if fits else message
    return None
