"""What the management API takes and shows of keys."""

import datetime as dt
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from kit.scopes import DATA_PLANE
from tenants.api.examples import keys as examples
from tenants.api.serializers.references import (
    MemberReference,
    ProjectReference,
    TenantReference,
)
from tenants.credentials import OVERLAP_DEFAULT, OVERLAP_MAX
from tenants.models import ApiKey, KeyState, Member, Priority, Project, Tenant
from tenants.services import IssuedKey

KEY_SCOPES = sorted(DATA_PLANE)


@example(examples.KEY)
class KeyOutput(serializers.ModelSerializer[ApiKey]):
    """An API key: never its text, only what tells it from others."""

    state = serializers.SerializerMethodField(
        help_text="Whether it opens the door now, and if not, why: `archived` is its"
        " project, `suspended` its tenant."
    )
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=KEY_SCOPES))
    last_used_at = serializers.SerializerMethodField(
        help_text="When its latest request was admitted; a minute or so behind."
    )
    last_used_model = serializers.SerializerMethodField()

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id",
            "tenant",
            "project",
            "member",
            "name",
            "shown",
            "state",
            "scopes",
            "allowed_models",
            "allowed_networks",
            "priority",
            "created_at",
            "expires_at",
            "disabled_at",
            "revoked_at",
            "replaces",
            "last_used_at",
            "last_used_model",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=KeyState.choices))
    def get_state(self, row: ApiKey) -> str:
        """Return its state now."""
        return row.state_at(timezone.now())

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_last_used_at(self, row: ApiKey) -> dt.datetime | None:
        """Return when it was last used."""
        return row.last_use.last_used_at if row.last_use else None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_last_used_model(self, row: ApiKey) -> str | None:
        """Return what it was last used for."""
        return row.last_use.model if row.last_use else None


@example(examples.ISSUED_KEY)
class IssuedKeyOutput(KeyOutput):
    """A key just issued, with its text: this answer alone holds it."""

    key = serializers.SerializerMethodField(
        help_text="The API key itself. It is shown now and can never be read again."
    )

    class Meta(KeyOutput.Meta):
        fields = (*KeyOutput.Meta.fields, "key")
        read_only_fields = fields

    def get_key(self, row: ApiKey) -> str:
        """Return the text that the view was handed."""
        issued: IssuedKey = self.context["issued"]
        return issued.key


class _KeyRights(Input):
    """What a key may do, for how long and from where."""

    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=KEY_SCOPES),
        required=False,
        allow_empty=False,
        help_text="What it may do, no more than you may; left out, all that you may.",
    )
    allowed_models = serializers.ListField(
        child=serializers.CharField(max_length=200),
        required=False,
        help_text="Served models that it may call; empty for all.",
    )
    allowed_networks = serializers.ListField(
        child=serializers.CharField(max_length=49),
        required=False,
        help_text="Networks that it may be used from, such as `203.0.113.0/24` or"
        " `2001:db8::/32`; empty for everywhere.",
    )
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="In the future; null for never."
    )
    priority = serializers.ChoiceField(
        choices=Priority.choices,
        required=False,
        help_text="The best class that its requests may ask for, no more than the plan"
        " allows; `default` unless given.",
    )


@example(examples.NEW_KEY)
class KeyCreate(_KeyRights):
    """A new API key."""

    project = ProjectReference(queryset=Project.objects.select_related("tenant"))
    tenant = TenantReference(
        queryset=Tenant.objects.all(),
        required=False,
        help_text="The project's tenant; when given, it must be that one.",
    )
    member = MemberReference(
        queryset=Member.objects.all(),
        required=False,
        allow_null=True,
        help_text="Whose key it is: yours where it is left out, and null for a"
        " service's, which owners and admins may issue.",
    )
    name = serializers.CharField(max_length=200, help_text="What the key is for.")


@example(examples.KEY_CHANGES)
class KeyUpdate(_KeyRights):
    """What may change of an API key."""

    name = serializers.CharField(max_length=200, required=False)


@example(examples.KEY_ROTATION)
class KeyRotate(Input):
    """How long a key that is replaced goes on working."""

    overlap_s = serializers.IntegerField(
        min_value=0,
        max_value=int(OVERLAP_MAX.total_seconds()),
        default=int(OVERLAP_DEFAULT.total_seconds()),
        help_text="Seconds: 24 hours unless given, at most 7 days; 0 ends it at once.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the overlap as the span that it is."""
        return {"overlap": dt.timedelta(seconds=attrs["overlap_s"])}


class KeyFilters(Filters):
    """What API keys may be narrowed by."""

    tenant = serializers.IntegerField(source="tenant_id", required=False)
    project = serializers.IntegerField(source="project_id", required=False)
    member = serializers.IntegerField(source="member_id", required=False)
    active = serializers.BooleanField(
        required=False, help_text="Whether the key opens the door now."
    )
    state = serializers.ChoiceField(choices=KeyState.choices, required=False)
    name = serializers.CharField(
        required=False, max_length=200, help_text="A part of the name, in any case."
    )
    shown = serializers.CharField(
        required=False, max_length=16, help_text="The beginning of what is shown of it."
    )
    model = serializers.CharField(
        required=False, max_length=200, help_text="A model that the key may call."
    )
    expires_before = serializers.DateTimeField(required=False)
    unused_since = serializers.DateTimeField(
        required=False, help_text="Not used since then, and issued before."
    )
