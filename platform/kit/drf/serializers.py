"""Serializers that take what they know and refuse the rest.

A misspelt field or filter that is silently dropped does something else than was asked
for: a filter would show every tenant's rows.
"""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

# Read by the pagination, so not a list's own filters.
_PAGING = frozenset({"cursor", "limit"})


class Input(serializers.Serializer[Any]):
    """What a request's body may hold."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse unknown names, then read the fields."""
        if isinstance(data, Mapping):
            self._refuse_unknown(data.keys() - self.fields.keys())
        return super().to_internal_value(data)

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
