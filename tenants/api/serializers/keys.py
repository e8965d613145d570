"""What the management API takes and shows of keys."""

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from tenants.api.examples import keys as examples
from tenants.api.serializers.references import ProjectReference, TenantReference
from tenants.models import ApiKey, Project, Tenant
from tenants.services import IssuedKey


@example(examples.KEY)
class KeyOutput(serializers.ModelSerializer[ApiKey]):
    """An API key: never its text, only what tells it from others."""

    class Meta:
        model = ApiKey
        fields: tuple[str, ...] = (
            "id",
            "tenant",
            "project",
            "name",
            "shown",
            "created_at",
            "expires_at",
            "revoked_at",
        )
        read_only_fields = fields


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


@example(examples.NEW_KEY)
class KeyCreate(Input):
    """A new API key."""

    project = ProjectReference(queryset=Project.objects.select_related("tenant"))
    tenant = TenantReference(
        queryset=Tenant.objects.all(),
        required=False,
        help_text="The project's tenant; when given, it must be that one.",
    )
    name = serializers.CharField(max_length=200, help_text="What the key is for.")
    expires_at = serializers.DateTimeField(default=None, allow_null=True)


@example(examples.KEY_CHANGES)
class KeyUpdate(Input):
    """What may change of an API key."""

    name = serializers.CharField(max_length=200, required=False)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


class KeyFilters(Filters):
    """What API keys may be narrowed by."""

    tenant = serializers.IntegerField(source="tenant_id", required=False)
    project = serializers.IntegerField(source="project_id", required=False)
    active = serializers.BooleanField(
        required=False, help_text="Whether the key opens the door now."
    )
