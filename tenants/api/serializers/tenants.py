"""What the management API takes and shows of tenants."""

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from tenants.api.examples import tenants as examples
from tenants.models import Tenant

SLUG_HELP = "1 to 63 lower-case letters, digits and hyphens; for good."


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

    slug = serializers.CharField(max_length=63, help_text=SLUG_HELP)
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
