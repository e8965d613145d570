"""What the management API takes and shows of projects."""

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from tenants.api.examples import projects as examples
from tenants.api.serializers.references import TenantReference
from tenants.api.serializers.tenants import SLUG_HELP
from tenants.models import Project, Tenant


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

    tenant = TenantReference(
        queryset=Tenant.objects.all(),
        required=False,
        help_text="Operators name it; for a tenant's own token it is the tenant.",
    )
    slug = serializers.CharField(max_length=63, help_text=SLUG_HELP)
    name = serializers.CharField(max_length=200)


@example(examples.PROJECT_CHANGES)
class ProjectUpdate(Input):
    """What may change of a project."""

    name = serializers.CharField(max_length=200)


class ProjectFilters(Filters):
    """What projects may be narrowed by."""

    tenant = serializers.IntegerField(source="tenant_id", required=False)
    slug = serializers.CharField(required=False)
    search = serializers.CharField(
        required=False, help_text="Part of the slug or the name."
    )
    archived = serializers.BooleanField(required=False)
    created_after = serializers.DateTimeField(
        required=False, help_text="Created at this instant or later."
    )
    created_before = serializers.DateTimeField(
        required=False, help_text="Created before this instant."
    )
