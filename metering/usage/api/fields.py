"""Query fields of the metering API: bounds of a range, dimensions.

Failure: what cannot be read is a validation error that says what to write instead.
"""

import datetime as dt
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from metering.usage.selectors import Dimension


@extend_schema_field(OpenApiTypes.STR)
class BoundField(serializers.Field[dt.datetime | dt.date, str, str, Any]):
    """A bound of a range: an instant or a bare date."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def to_internal_value(self, data: str) -> dt.datetime | dt.date:
        """Return a date where only a date was given, otherwise the instant."""
        # An offset's plus sign that was not escaped arrives as a space.
        text = data.strip().replace(" ", "+")
        try:
            if len(text) == len("2026-01-31"):
                return dt.date.fromisoformat(text)
            return dt.datetime.fromisoformat(text)
        except ValueError:
            raise serializers.ValidationError(
                "Give a date such as 2026-01-31 or an instant such as "
                "2026-01-31T00:00:00Z."
            ) from None


@extend_schema_field(OpenApiTypes.STR)
class GroupByField(serializers.Field[tuple[Dimension, ...], str, str, Any]):
    """Dimensions separated by commas."""

    def to_internal_value(self, data: str) -> tuple[Dimension, ...]:
        """Return the dimensions in the order given."""
        names = [name.strip() for name in data.split(",") if name.strip()]
        try:
            return tuple(Dimension(name) for name in names)
        except ValueError:
            known = ", ".join(Dimension)
            raise serializers.ValidationError(
                f"Give some of {known}, separated by commas."
            ) from None
