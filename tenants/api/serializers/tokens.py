"""What the management API takes and shows of management tokens."""

import datetime as dt
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from kit.scopes import EVERY
from tenants.api.examples import tokens as examples
from tenants.api.serializers.references import MemberReference, TenantReference
from tenants.credentials import OVERLAP_DEFAULT, OVERLAP_MAX
from tenants.models import ManagementToken, Member, Tenant, TokenKind, TokenState
from tenants.services import IssuedToken

SCOPES = sorted(EVERY)
NETWORKS_HELP = (
    "Networks that it may be used from, such as `203.0.113.0/24` or `2001:db8::/32`;"
    " empty for everywhere."
)


@example(examples.TOKEN)
class TokenOutput(serializers.ModelSerializer[ManagementToken]):
    """A management token: never its text, only what tells it from others."""

    kind = serializers.SerializerMethodField()
    state = serializers.SerializerMethodField()
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPES))

    class Meta:
        model = ManagementToken
        fields: tuple[str, ...] = (
            "id",
            "tenant",
            "member",
            "kind",
            "name",
            "shown",
            "state",
            "scopes",
            "allowed_networks",
            "created_at",
            "expires_at",
            "revoked_at",
            "replaces",
            "last_used_at",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=TokenKind.choices))
    def get_kind(self, row: ManagementToken) -> str:
        """Return whose it is."""
        return row.kind

    @extend_schema_field(serializers.ChoiceField(choices=TokenState.choices))
    def get_state(self, row: ManagementToken) -> str:
        """Return its state now."""
        return row.state_at(timezone.now())


@example(examples.ISSUED_TOKEN)
class IssuedTokenOutput(TokenOutput):
    """A token just issued, with its text: this answer alone holds it."""

    token = serializers.SerializerMethodField(
        help_text="The token itself. It is shown now and can never be read again."
    )

    class Meta(TokenOutput.Meta):
        fields = (*TokenOutput.Meta.fields, "token")
        read_only_fields = fields

    def get_token(self, row: ManagementToken) -> str:
        """Return the text that the view was handed."""
        issued: IssuedToken = self.context["issued"]
        return issued.token


@example(examples.NEW_TOKEN)
class TokenCreate(Input):
    """A new management token."""

    tenant = TenantReference(
        queryset=Tenant.objects.all(),
        required=False,
        allow_null=True,
        help_text="Whose it is: your own tenant where it is left out. Of an operator's"
        " call that is none, and an operator's token.",
    )
    member = MemberReference(
        queryset=Member.objects.all(),
        required=False,
        allow_null=True,
        help_text="Whose personal token it is: yours where it is left out, and null"
        " for a service's, which owners and admins may issue.",
    )
    name = serializers.CharField(max_length=200, help_text="What the token is for.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=SCOPES),
        allow_empty=False,
        help_text="What it may do, no more than you may.",
    )
    allowed_networks = serializers.ListField(
        child=serializers.CharField(max_length=49),
        required=False,
        help_text=NETWORKS_HELP,
    )
    expires_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="In the future; null for never. A member's own expires within a"
        " year, in 90 days where it is left out.",
    )


@example(examples.TOKEN_CHANGES)
class TokenUpdate(Input):
    """What may change of a token."""

    name = serializers.CharField(max_length=200, required=False)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=SCOPES),
        required=False,
        allow_empty=False,
        help_text="Some of those that it has.",
    )
    allowed_networks = serializers.ListField(
        child=serializers.CharField(max_length=49),
        required=False,
        help_text=NETWORKS_HELP,
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


@example(examples.TOKEN_ROTATION)
class TokenRotate(Input):
    """How long a token that is replaced goes on working."""

    overlap_s = serializers.IntegerField(
        min_value=0,
        max_value=int(OVERLAP_MAX.total_seconds()),
        default=int(OVERLAP_DEFAULT.total_seconds()),
        help_text="Seconds: 24 hours unless given, at most 7 days; 0 ends it at once.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the overlap as the span that it is."""
        return {"overlap": dt.timedelta(seconds=attrs["overlap_s"])}


class TokenFilters(Filters):
    """What tokens may be narrowed by."""

    tenant = serializers.IntegerField(source="tenant_id", required=False)
    member = serializers.IntegerField(source="member_id", required=False)
    kind = serializers.ChoiceField(choices=TokenKind.choices, required=False)
    active = serializers.BooleanField(
        required=False, help_text="Whether the token opens this API now."
    )
    name = serializers.CharField(
        required=False, max_length=200, help_text="A part of the name, in any case."
    )
    shown = serializers.CharField(
        required=False, max_length=16, help_text="The beginning of what is shown of it."
    )
    expires_before = serializers.DateTimeField(required=False)
    unused_since = serializers.DateTimeField(
        required=False, help_text="Not used since then, and issued before."
    )
