"""What the management API shows of the audit, and what it may be narrowed by."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.acting import ActorKind
from kit.drf.schema import example
from kit.drf.serializers import Filters
from kit.json_values import JsonObject
from tenants import selectors
from tenants.api.examples import audit as examples
from tenants.models import AuditEntry

_ID_MAX = 2**63 - 1


class AuditActorOutput(serializers.Serializer[Any]):
    """Who made a change; the name and the address are those of today."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in ActorKind])
    id = serializers.IntegerField(
        allow_null=True, help_text="Counts within the kind; null where it needs none."
    )
    member = serializers.IntegerField(
        allow_null=True, help_text="The member behind a personal token."
    )
    name = serializers.CharField(
        allow_null=True, help_text="Null when forgotten, and where there is none."
    )
    email = serializers.CharField(allow_null=True)


class AuditPersonalOutput(serializers.Serializer[Any]):
    """The personal fields of a change."""

    before = serializers.DictField()
    after = serializers.DictField()


@example(examples.AUDIT_ENTRY)
class AuditEntryOutput(serializers.ModelSerializer[AuditEntry]):
    """A change, in the chain of its tenant or of the installation."""

    tenant = serializers.IntegerField(
        source="tenant_id",
        allow_null=True,
        help_text="Null for what is the installation's.",
    )
    seq = serializers.IntegerField(help_text="The entry's number in its chain.")
    actor = serializers.SerializerMethodField()
    request_id = serializers.CharField(
        help_text="The `x-request-id` of the change; empty outside of requests."
    )
    before = serializers.DictField(help_text="The fields that changed, as they were.")
    after = serializers.DictField(help_text="The fields that changed, as they became.")
    personal = serializers.SerializerMethodField(
        help_text="Names and addresses that changed; null when there were none, or"
        " when they were forgotten."
    )
    is_forgotten = serializers.SerializerMethodField(
        help_text="Whether what was personal was forgotten since."
    )
    previous = serializers.CharField(
        help_text="The digest of the entry before; empty for a chain's first."
    )
    digest = serializers.CharField(
        help_text="SHA-256 of all of this, by which the chain holds together."
    )

    class Meta:
        model = AuditEntry
        fields = tuple(examples.AUDIT_ENTRY)
        read_only_fields = fields

    @extend_schema_field(AuditActorOutput)
    def get_actor(self, row: AuditEntry) -> JsonObject:
        """Return who acted, as it is called now."""
        named = self.context["actors"][selectors.actor_key(row)]
        return {
            "kind": row.actor_kind,
            "id": row.actor_id,
            "member": row.member_id,
            "name": named.name,
            "email": named.email,
        }

    @extend_schema_field(AuditPersonalOutput(allow_null=True))
    def get_personal(self, row: AuditEntry) -> JsonObject | None:
        """Return the personal fields that are still there."""
        detail = self.context["details"].get(row.pk)
        if detail is None:
            return None
        return {"before": detail.before, "after": detail.after}

    def get_is_forgotten(self, row: AuditEntry) -> bool:
        """Tell whether there were personal fields that are gone."""
        return bool(row.detail_digest) and row.pk not in self.context["details"]


class AuditFilters(Filters):
    """What the audit may be narrowed by."""

    tenant = serializers.IntegerField(
        source="tenant_id", min_value=1, max_value=_ID_MAX, required=False
    )
    object_kind = serializers.CharField(
        max_length=32, required=False, help_text="Such as `api_key` or `member`."
    )
    object_id = serializers.CharField(max_length=64, required=False)
    action = serializers.CharField(
        max_length=64, required=False, help_text="Such as `create` or `revoke`."
    )
    actor_kind = serializers.ChoiceField(
        choices=[kind.value for kind in ActorKind], required=False
    )
    actor_id = serializers.IntegerField(min_value=1, max_value=_ID_MAX, required=False)
    start = serializers.DateTimeField(
        required=False, help_text="Changes from this instant on."
    )
    end = serializers.DateTimeField(
        required=False, help_text="Changes before this instant."
    )
