"""What the management API takes and shows of tenants, projects and API keys.

Inputs say the type of each field; the services say which values are allowed.
"""

from typing import Any, ClassVar

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from tenants.api import examples
from tenants.models import ApiKey, Project, Tenant
from tenants.services import IssuedKey

_SLUG_HELP = "1 to 63 lower-case letters, digits and hyphens; for good."


class TenantReference(serializers.PrimaryKeyRelatedField[Tenant]):
    """A tenant by its id."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "There is no tenant {pk_value}."
    }


class ProjectReference(serializers.PrimaryKeyRelatedField[Project]):
    """A project by its id."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "There is no project {pk_value}."
    }


@example(examples.TENANT)
class TenantOutput(serializers.ModelSerializer[Tenant]):
    """A tenant."""

    class Meta:
        model = Tenant
        fields = (
            "id",
            "slug",
            "name",
            "state",
            "currency",
            "zone",
            "billing_email",
            "created_at",
        )
        read_only_fields = fields


@example(examples.NEW_TENANT)
class TenantCreate(Input):
    """A new tenant."""

    slug = serializers.CharField(max_length=63, help_text=_SLUG_HELP)
    name = serializers.CharField(max_length=200)
    currency = serializers.CharField(
        max_length=3, default="USD", help_text="ISO 4217 code it pays in; for good."
    )
    zone = serializers.CharField(
        max_length=64, default="UTC", help_text="Time zone of its billing days."
    )
    billing_email = serializers.EmailField(required=False, allow_blank=True)


@example(examples.TENANT_CHANGES)
class TenantUpdate(Input):
    """What may change of a tenant."""

    name = serializers.CharField(max_length=200, required=False)
    zone = serializers.CharField(
        max_length=64,
        required=False,
        help_text="Takes effect with the next billing period.",
    )
    billing_email = serializers.EmailField(required=False, allow_blank=True)


class TenantFilters(Filters):
    """What tenants may be narrowed by."""

    state = serializers.ChoiceField(choices=Tenant.State.choices, required=False)
    slug = serializers.CharField(required=False)


@example(examples.PROJECT)
class ProjectOutput(serializers.ModelSerializer[Project]):
    """A project."""

    class Meta:
        model = Project
        fields = ("id", "tenant", "slug", "name", "created_at", "archived_at")
        read_only_fields = fields


@example(examples.NEW_PROJECT)
class ProjectCreate(Input):
    """A new project."""

    tenant = TenantReference(queryset=Tenant.objects.all())
    slug = serializers.CharField(max_length=63, help_text=_SLUG_HELP)
    name = serializers.CharField(max_length=200)


@example(examples.PROJECT_CHANGES)
class ProjectUpdate(Input):
    """What may change of a project."""

    name = serializers.CharField(max_length=200)


class ProjectFilters(Filters):
    """What projects may be narrowed by."""

    tenant = serializers.IntegerField(source="tenant_id", required=False)
    slug = serializers.CharField(required=False)
    archived = serializers.BooleanField(required=False)


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
