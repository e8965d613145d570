"""What may be asked of usage over HTTP, and what is answered.

Money goes out as text, in picos and as a decimal: a JSON number may pass through a
float.
"""

from typing import Any

from rest_framework import serializers

from kit.drf.serializers import Filters
from metering.usage.api.fields import BoundField, GroupByField
from tenants.api.serializers.references import TenantField

_BOUND_HELP = (
    "An instant with its offset, or a date: the tenant's billing day, the day of UTC "
    "where several tenants are asked about."
)


class UsageFilters(Filters):
    """A question about usage; the running month where no range is given."""

    start = BoundField(help_text=f"{_BOUND_HELP} Default: the month's first day.")
    end = BoundField(
        help_text="Exclusive, else as `start`. Default: the next month's first day."
    )
    group_by = GroupByField(
        required=False,
        help_text="Some of tenant, project, key, member, model, day, hour and minute, "
        "separated by commas.",
    )
    tenant = TenantField(required=False, help_text="A tenant's slug or id.")
    project = serializers.IntegerField(
        required=False, min_value=1, help_text="A project's id."
    )
    key = serializers.IntegerField(
        required=False, min_value=1, help_text="An API key's id."
    )
    member = serializers.IntegerField(
        required=False, min_value=1, help_text="The id of a member: of their keys."
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
    hour = serializers.DateTimeField(
        required=False, help_text="The instant at which an hour of UTC begins."
    )
    minute = serializers.DateTimeField(
        required=False, help_text="The instant at which a minute begins."
    )
    tenant = serializers.CharField(required=False, help_text="Its slug.")
    tenant_id = serializers.IntegerField(required=False)
    project = serializers.CharField(required=False, help_text="Its slug.")
    project_id = serializers.IntegerField(required=False)
    key = serializers.CharField(required=False, help_text="What may be shown of it.")
    key_id = serializers.IntegerField(required=False)
    member = serializers.CharField(
        required=False,
        allow_null=True,
        help_text="The name or address of the member whose key it is, if any.",
    )
    member_id = serializers.IntegerField(required=False, allow_null=True)
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
