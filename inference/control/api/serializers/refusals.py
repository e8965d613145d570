"""What the management API takes and shows of refusals."""

from typing import Any

from rest_framework import serializers

from inference.control.api import examples
from kit.drf.schema import example
from kit.drf.serializers import Filters
from tenants.api.serializers.references import TenantField


class RefusalFilters(Filters):
    """What refusals may be narrowed by."""

    tenant = TenantField(
        required=False,
        help_text="A tenant's slug or id; a tenant's token need not name it.",
    )
    start = serializers.DateTimeField(
        required=False,
        help_text="An instant with its offset; the hour of UTC that it lies in is in.",
    )
    end = serializers.DateTimeField(required=False, help_text="Exclusive.")
    project = serializers.IntegerField(
        source="project_id", required=False, min_value=1, max_value=2**63 - 1
    )
    key = serializers.IntegerField(
        source="api_key_id", required=False, min_value=1, max_value=2**63 - 1
    )
    model = serializers.CharField(
        required=False, max_length=128, help_text="A served model's public name."
    )
    status = serializers.IntegerField(
        required=False, min_value=400, max_value=599, help_text="Of the answer."
    )


@example(examples.REFUSAL)
class RefusalOutput(serializers.Serializer[Any]):
    """Refusals of one kind within an hour."""

    hour = serializers.DateTimeField(
        help_text="The instant at which an hour of UTC begins."
    )
    project_id = serializers.IntegerField(
        allow_null=True, help_text="Null where it is not known."
    )
    project = serializers.CharField(allow_null=True, help_text="Its slug.")
    key_id = serializers.IntegerField(
        allow_null=True, help_text="Null where several were refused alike."
    )
    key = serializers.CharField(
        allow_null=True, help_text="What may be shown of the API key."
    )
    model = serializers.CharField(
        help_text="A served model's name; empty where none of that name was there."
    )
    status = serializers.IntegerField(help_text="Of the answer.")
    code = serializers.CharField(help_text="The answer's `error.code`, or its type.")
    limit = serializers.CharField(
        help_text="The limit that refused, as `level:unit:window`; empty where none "
        "did."
    )
    requests = serializers.IntegerField()
    last_at = serializers.DateTimeField()
