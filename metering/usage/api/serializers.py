"""What may be asked of usage over HTTP, and what is answered.

Money goes out as text, in picos and as a decimal: a JSON number may pass through a
float.
"""

import datetime as dt
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.drf.serializers import Filters
from metering.usage.selectors import Dimension

_BOUND_HELP = (
    "An instant with its offset, or a date: the tenant's billing day, the day of UTC "
    "where several tenants are asked about."
)


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


class UsageFilters(Filters):
    """A question about usage; the running month where no range is given."""

    start = BoundField(help_text=f"{_BOUND_HELP} Default: the month's first day.")
    end = BoundField(
        help_text="Exclusive, else as `start`. Default: the next month's first day."
    )
    group_by = GroupByField(
        default=(), help_text="Some of tenant, project, key, model, day, with commas."
    )
    tenant = serializers.CharField(
        required=False, max_length=63, help_text="A tenant's slug or id."
    )
    project = serializers.IntegerField(
        required=False, min_value=1, help_text="A project's id."
    )
    key = serializers.IntegerField(
        required=False, min_value=1, help_text="An API key's id."
    )
    model = serializers.CharField(
        required=False, max_length=128, help_text="A served model's public name."
    )


class MeasuresOutput(serializers.Serializer[Any]):
    """Counts of requests and tokens, and their charge."""

    requests = serializers.IntegerField()
    input_tokens = serializers.IntegerField(
        help_text="Prompt tokens that were not cached."
    )
    cached_input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField(help_text="Inside `output_tokens`.")
    charge_picos = serializers.CharField(
        help_text="Exact, in 10^-12 of the currency's unit.", allow_null=True
    )
    charge = serializers.CharField(
        help_text="The same amount as an exact decimal.", allow_null=True
    )
    currency = serializers.CharField(allow_null=True)


class UsageRowOutput(MeasuresOutput):
    """One group. It has the keys that `group_by` named, and their ids."""

    day = serializers.DateField(required=False)
    tenant = serializers.CharField(required=False, help_text="Its slug.")
    tenant_id = serializers.IntegerField(required=False)
    project = serializers.CharField(required=False, help_text="Its slug.")
    project_id = serializers.IntegerField(required=False)
    key = serializers.CharField(required=False, help_text="What may be shown of it.")
    key_id = serializers.IntegerField(required=False)
    model = serializers.CharField(required=False)


class UsageOutput(serializers.Serializer[Any]):
    """The answer.

    Amounts of different currencies are never added: `totals` has one for each, and
    `total` no charge and no currency when there are several.
    """

    data = UsageRowOutput(many=True)  # type: ignore[assignment]
    total = MeasuresOutput()
    totals = MeasuresOutput(many=True)
    start = serializers.DateTimeField(help_text="The instant that `start` came to.")
    end = serializers.DateTimeField(help_text="The instant that `end` came to.")
    complete_to = serializers.DateTimeField(
        help_text="Everything admitted before this instant is in the answer."
    )
