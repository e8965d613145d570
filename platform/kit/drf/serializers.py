"""Serializers that take what they know and refuse the rest.

A misspelt field or filter that is silently dropped does something else than was asked
for: a filter would show every tenant's rows. Nor is a value of another JSON type turned
into the one that is meant: `"no"` is no boolean.
"""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

# What JSON must give for a field, and how to say so.
_TYPES: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], type, str], ...] = (
    (serializers.CharField, str, "Give text."),
    (serializers.BooleanField, bool, "Give true or false."),
    (serializers.IntegerField, int, "Give a whole number."),
    (serializers.PrimaryKeyRelatedField, int, "Give an id, a whole number."),
    (serializers.SlugRelatedField, str, "Give a name, as text."),
)
# Read by the pagination, so not a list's own filters.
_PAGING = frozenset({"cursor", "limit"})


class Input(serializers.Serializer[Any]):
    """What a request's body may hold."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown names, then read the fields."""
        if isinstance(data, Mapping):
            self._refuse_unknown(data.keys() - self.fields.keys())
            self._refuse_other_types(data)
        return super().to_internal_value(data)

    def _refuse_other_types(self, data: Mapping[str, Any]) -> None:
        wrong = {
            name: [fault]
            for name, field in self.fields.items()
            if name in data and (fault := _type_fault(field, data[name]))
        }
        if wrong:
            raise serializers.ValidationError(wrong, code="invalid_type")

    def _refuse_unknown(self, unknown: set[str]) -> None:
        if unknown:
            known = ", ".join(self.fields)
            message = f"There is no such field; there are: {known}."
            raise serializers.ValidationError(
                {min(unknown): [message]}, code="unknown_field"
            )


class Filters(Input):
    """What a list may be narrowed by, in its query."""

    def _refuse_unknown(self, unknown: set[str]) -> None:
        super()._refuse_unknown(unknown - _PAGING)

    def _refuse_other_types(self, data: Mapping[str, Any]) -> None:
        """Take what a query has: text, whatever is meant."""


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
            return None if fits else message
    return None
