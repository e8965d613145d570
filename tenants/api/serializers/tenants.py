"""What the management API takes and shows of tenants."""

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from tenants.api.examples import tenants as examples
from tenants.models import Plan, Tenant
from tenants.models.tenants import PERIOD_DAY_MAX

SLUG_HELP = "1 to 63 lower-case letters, digits and hyphens; for good."
PERIOD_HELP = "Day of the month on which its billing periods begin."
PAYMENT_HELP = "Whether it pays from credit, before use, or by invoice, after it."


@example(examples.TENANT)
class TenantOutput(serializers.ModelSerializer[Tenant]):
    """A tenant."""

    plan: serializers.SlugRelatedField[Plan] = serializers.SlugRelatedField(
        slug_field="slug",
        read_only=True,
        allow_null=True,
        help_text="The plan it was put on; null where the default one holds.",
    )

    billing_email = serializers.CharField(
        read_only=True, help_text="Where its bills go; empty where none is known."
    )

    suspended_for = serializers.CharField(
        read_only=True,
        help_text="`unpaid` while it is suspended until its invoices are paid.",
    )

    class Meta:
        model = Tenant
        fields = (
            "id",
            "slug",
            "name",
            "state",
            "suspended_for",
            "currency",
            "zone",
            "period_day",
            "billing_email",
            "plan",
            "payment_mode",
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
    period_day = serializers.IntegerField(
        min_value=1, max_value=PERIOD_DAY_MAX, default=1, help_text=PERIOD_HELP
    )
    billing_email = serializers.EmailField(required=False, allow_blank=True)
    payment_mode = serializers.ChoiceField(
        choices=Tenant.PaymentMode.choices, required=False, help_text=PAYMENT_HELP
    )


@example(examples.TENANT_CHANGES)
class TenantUpdate(Input):
    """What may change of a tenant."""

    name = serializers.CharField(max_length=200, required=False)
    zone = serializers.CharField(
        max_length=64,
        required=False,
        help_text="Takes effect with the next billing period.",
    )
    period_day = serializers.IntegerField(
        min_value=1,
        max_value=PERIOD_DAY_MAX,
        required=False,
        help_text="Takes effect with the next billing period, which is then shorter.",
    )
    billing_email = serializers.EmailField(required=False, allow_blank=True)


@example(examples.PLAN_CHANGE)
class TenantPlan(Input):
    """The plan that a tenant is to be on."""

    plan: serializers.SlugRelatedField[Plan] = serializers.SlugRelatedField(
        slug_field="slug",
        queryset=Plan.objects.all(),
        allow_null=True,
        error_messages={"does_not_exist": "There is no plan '{value}'."},
        help_text="The slug of the plan; null for the default one.",
    )


@example(examples.PAYMENT_CHANGE)
class TenantPaymentMode(Input):
    """How a tenant is to pay."""

    payment_mode = serializers.ChoiceField(
        choices=Tenant.PaymentMode.choices, help_text=PAYMENT_HELP
    )


class TenantFilters(Filters):
    """What tenants may be narrowed by."""

    state = serializers.ChoiceField(choices=Tenant.State.choices, required=False)
    slug = serializers.CharField(required=False)
    plan = serializers.CharField(required=False, help_text="The slug of its plan.")
    search = serializers.CharField(
        required=False, help_text="Part of the slug, the name or the billing address."
    )
    created_after = serializers.DateTimeField(
        required=False, help_text="Created at this instant or later."
    )
    created_before = serializers.DateTimeField(
        required=False, help_text="Created before this instant."
    )
