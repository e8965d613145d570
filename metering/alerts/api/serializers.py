"""What the management API takes and shows of webhook endpoints and their deliveries."""

import datetime as dt
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from metering.alerts.api import examples
from metering.alerts.models import CHOSEN_EVENTS, Delivery, Endpoint, EventType
from metering.alerts.selectors import STATES
from metering.alerts.services import IssuedEndpoint
from tenants.api.serializers.references import TenantReference
from tenants.credentials import OVERLAP_DEFAULT, OVERLAP_MAX
from tenants.models import Tenant

_EVENTS = [each.value for each in CHOSEN_EVENTS]
_EVENTS_HELP = "The events that it is called with; empty for all."


@example(examples.ENDPOINT)
class EndpointOutput(serializers.ModelSerializer[Endpoint]):
    """A webhook endpoint: never its secret."""

    events = serializers.ListField(
        child=serializers.ChoiceField(choices=_EVENTS), help_text=_EVENTS_HELP
    )
    state = serializers.ChoiceField(
        choices=sorted(STATES), read_only=True, help_text="Whether it is called."
    )
    paused_because = serializers.SerializerMethodField()

    class Meta:
        model = Endpoint
        fields: tuple[str, ...] = (
            "id",
            "tenant",
            "name",
            "url",
            "events",
            "state",
            "created_at",
            "former_until",
            "paused_at",
            "paused_because",
            "failing_since",
            "last_succeeded_at",
            "removed_at",
        )
        read_only_fields = fields
        extra_kwargs = {
            "tenant": {"help_text": "Null for the installation's: all events."},
            "former_until": {
                "help_text": "Until when it is signed with the former secret too."
            },
            "failing_since": {"help_text": "Null while it takes what it is sent."},
        }

    @extend_schema_field(
        serializers.ChoiceField(choices=Endpoint.PausedBecause.choices, allow_null=True)
    )
    def get_paused_because(self, row: Endpoint) -> str | None:
        """Return why it is paused."""
        return row.paused_because or None


@example(examples.ISSUED_ENDPOINT)
class IssuedEndpointOutput(EndpointOutput):
    """An endpoint with its new secret: this answer alone holds it."""

    secret = serializers.SerializerMethodField(
        help_text="What to verify signatures with. It is shown now and never again."
    )

    class Meta(EndpointOutput.Meta):
        fields = (*EndpointOutput.Meta.fields, "secret")
        read_only_fields = fields

    def get_secret(self, row: Endpoint) -> str:
        """Return the text that the view was handed."""
        issued: IssuedEndpoint = self.context["issued"]
        return issued.secret


@example(examples.NEW_ENDPOINT)
class EndpointCreate(Input):
    """A new webhook endpoint."""

    tenant = TenantReference(
        queryset=Tenant.objects.all(),
        required=False,
        allow_null=True,
        help_text="Whose events: your own tenant's where it is left out. Of an"
        " operator's call that is none, and the events of all tenants.",
    )
    name = serializers.CharField(max_length=200, help_text="What it is for.")
    url = serializers.CharField(
        max_length=2000, help_text="Where it is: https, and at a public address."
    )
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=_EVENTS),
        required=False,
        help_text=_EVENTS_HELP,
    )


@example(examples.ENDPOINT_CHANGES)
class EndpointUpdate(Input):
    """What may change of an endpoint."""

    name = serializers.CharField(max_length=200, required=False)
    url = serializers.CharField(max_length=2000, required=False)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=_EVENTS),
        required=False,
        help_text=_EVENTS_HELP,
    )


@example(examples.ENDPOINT_ROTATION)
class EndpointRotate(Input):
    """How long a secret that is replaced goes on being signed with."""

    overlap_s = serializers.IntegerField(
        min_value=0,
        max_value=int(OVERLAP_MAX.total_seconds()),
        default=int(OVERLAP_DEFAULT.total_seconds()),
        help_text="Seconds: 24 hours unless given, at most 7 days; 0 ends it at once.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the overlap as the span that it is."""
        return {"overlap": dt.timedelta(seconds=attrs["overlap_s"])}


class EndpointFilters(Filters):
    """What endpoints may be narrowed by."""

    tenant = serializers.IntegerField(source="tenant_id", required=False)
    state = serializers.ChoiceField(choices=sorted(STATES), required=False)


@example(examples.DELIVERY)
class DeliveryOutput(serializers.ModelSerializer[Delivery]):
    """An event on its way to an endpoint: how often it was tried, and how that went."""

    event = serializers.CharField(
        source="event.public_id", read_only=True, help_text="What `webhook-id` says."
    )
    type = serializers.ChoiceField(
        source="event.type", choices=EventType.choices, read_only=True
    )
    state = serializers.ChoiceField(choices=Delivery.State.choices, read_only=True)

    class Meta:
        model = Delivery
        fields = (
            "id",
            "endpoint",
            "event",
            "type",
            "state",
            "attempts",
            "created_at",
            "last_tried_at",
            "last_status",
            "last_error",
            "last_ms",
            "next_at",
            "ended_at",
            "is_replay",
        )
        read_only_fields = fields
        extra_kwargs = {
            "last_status": {"help_text": "What the endpoint answered last."},
            "last_ms": {"help_text": "How long the last call took, null of none."},
            "is_replay": {
                "help_text": "Sent again because somebody asked: tried once, under the"
                " same id, and marked by the header x-tollgate-replay."
            },
            "next_at": {"help_text": "When it is tried next; null when no more."},
        }


class DeliveryFilters(Filters):
    """What deliveries may be narrowed by."""

    state = serializers.ChoiceField(choices=Delivery.State.choices, required=False)
