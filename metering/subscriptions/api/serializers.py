"""What the management API takes and shows of plan versions and subscriptions.

Amounts and percentages travel as text: a JSON number may pass through a float, and no
float holds money. Nothing is decided here.
"""

import re
from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.contracts import TokenClass
from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from kit.money import decimal_from_minor
from metering.pricing.rating import CHARGED_CLASSES
from metering.subscriptions.api import examples
from metering.subscriptions.models import (
    MODEL_CHARS_MAX,
    PlanComponent,
    PlanDiscount,
    PlanVersion,
)
from metering.subscriptions.publishing import NAME_CHARS_MAX
from tenants.api.serializers.references import TenantField, TenantReference
from tenants.models import Plan, Tenant

_AMOUNT_CHARS_MAX = 30
_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?")
_CLASSES = [each.name.lower() for each in CHARGED_CLASSES]
_FEE_HELP = "For each whole period, as a decimal in the currency, such as 49.00."
_COMMITMENT_HELP = "What a whole period comes to at least, before tax and credit."
_MODELS_HELP = "Served models by name; none means all."


def _amount(**kwargs: Any) -> serializers.CharField:
    return serializers.CharField(max_length=_AMOUNT_CHARS_MAX, **kwargs)


def _models() -> serializers.ListField:
    return serializers.ListField(
        child=serializers.CharField(max_length=MODEL_CHARS_MAX),
        default=list,
        help_text=_MODELS_HELP,
    )


@extend_schema_field(OpenApiTypes.STR)
class PercentageInput(serializers.CharField):
    """A percentage as text of a plain decimal; the service judges how much it is."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the exact percentage."""
        text = super().to_internal_value(data)
        if not _PERCENT.fullmatch(text):
            raise serializers.ValidationError(
                'Give a decimal of at most four places, as text, such as "12.5".'
            )
        return Decimal(text)


class PlanVersionFilters(Filters):
    """What plan versions may be narrowed by."""

    plan = serializers.CharField(required=False, help_text="The slug of the plan.")
    currency = serializers.CharField(required=False, max_length=3)


class PlanComponentInput(Input):
    """A component of a draft."""

    name = serializers.CharField(max_length=NAME_CHARS_MAX)
    meter = serializers.ChoiceField(choices=PlanComponent.Meter.choices)
    models = _models()
    token_classes = serializers.ListField(
        child=serializers.ChoiceField(choices=[(each, each) for each in _CLASSES]),
        default=list,
        help_text="Which tokens a meter of tokens counts.",
    )
    component = serializers.DictField(
        help_text="`model` and its fields; numbers are text. See the guide of plans."
    )


@example(examples.COMPONENTS)
class PlanComponentsInput(Input):
    """All components of a draft, in order: one that is not listed is taken out."""

    components = PlanComponentInput(many=True, allow_empty=True)


class PlanDiscountInput(Input):
    """A discount of a draft: a percentage, or an amount for each whole period."""

    name = serializers.CharField(max_length=NAME_CHARS_MAX)
    scope = serializers.ChoiceField(choices=PlanDiscount.Scope.choices)
    models = _models()
    percent = PercentageInput(required=False, allow_null=True, default=None)
    amount = _amount(required=False, allow_null=True, default=None)


@example(examples.DISCOUNTS)
class PlanDiscountsInput(Input):
    """All discounts of a draft, in the order in which they are taken."""

    discounts = PlanDiscountInput(many=True, allow_empty=True)


@example(examples.NEW_VERSION)
class PlanVersionInput(Input):
    """A new draft of a plan's version."""

    plan: serializers.SlugRelatedField[Plan] = serializers.SlugRelatedField(
        slug_field="slug",
        queryset=Plan.objects.all(),
        error_messages={"does_not_exist": "There is no plan '{value}'."},
    )
    currency = serializers.CharField(max_length=3, help_text="ISO 4217, such as USD.")
    name = serializers.CharField(
        max_length=NAME_CHARS_MAX,
        required=False,
        help_text="What invoices call it; else the plan's name.",
    )
    fee = _amount(required=False, help_text=_FEE_HELP)
    fee_in_advance = serializers.BooleanField(
        required=False,
        help_text="Due at the close of the period before the one that it pays.",
    )
    minimum_commitment = _amount(required=False, help_text=_COMMITMENT_HELP)


@example(examples.VERSION_CHANGES)
class PlanVersionChanges(Input):
    """What may change of a draft."""

    name = serializers.CharField(max_length=NAME_CHARS_MAX, required=False)
    fee = _amount(required=False, help_text=_FEE_HELP)
    fee_in_advance = serializers.BooleanField(required=False)
    minimum_commitment = _amount(required=False, help_text=_COMMITMENT_HELP)


class PlanComponentOutput(serializers.Serializer[PlanComponent]):
    """A component of a version."""

    name = serializers.CharField()
    meter = serializers.ChoiceField(choices=PlanComponent.Meter.choices)
    models = serializers.ListField(
        source="served_models", child=serializers.CharField()
    )
    token_classes = serializers.SerializerMethodField()
    component = serializers.DictField(source="document")

    def get_token_classes(self, row: PlanComponent) -> list[str]:
        """Return the classes by name."""
        return [TokenClass(each).name.lower() for each in row.token_classes]


class PlanDiscountOutput(serializers.Serializer[PlanDiscount]):
    """A discount of a version."""

    name = serializers.CharField()
    scope = serializers.ChoiceField(choices=PlanDiscount.Scope.choices)
    models = serializers.ListField(
        source="served_models", child=serializers.CharField()
    )
    percent = serializers.SerializerMethodField()
    amount = serializers.SerializerMethodField()

    def get_percent(self, row: PlanDiscount) -> str | None:
        """Return the percentage without trailing zeros."""
        if row.percent is None:
            return None
        return f"{Decimal(row.percent):.4f}".rstrip("0").rstrip(".")

    def get_amount(self, row: PlanDiscount) -> str | None:
        """Return the amount in the version's currency."""
        if row.amount_minor is None:
            return None
        return decimal_from_minor(row.amount_minor, row.version.currency)


@example(examples.VERSION)
class PlanVersionOutput(serializers.Serializer[PlanVersion]):
    """What a plan costs those who subscribe to this version."""

    id = serializers.IntegerField()
    plan = serializers.CharField(source="plan.slug")
    number = serializers.IntegerField()
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=["draft", "published"])
    currency = serializers.CharField()
    fee = serializers.SerializerMethodField(help_text=_FEE_HELP)
    fee_in_advance = serializers.BooleanField()
    minimum_commitment = serializers.SerializerMethodField(help_text=_COMMITMENT_HELP)
    components = PlanComponentOutput(many=True)
    discounts = PlanDiscountOutput(many=True)
    created_at = serializers.DateTimeField()
    published_at = serializers.DateTimeField(allow_null=True)

    def get_fee(self, row: PlanVersion) -> str:
        """Return the fee in the version's currency."""
        return decimal_from_minor(row.fee_minor, row.currency)

    def get_minimum_commitment(self, row: PlanVersion) -> str:
        """Return the commitment in the version's currency."""
        return decimal_from_minor(row.minimum_commitment_minor, row.currency)


@example(examples.MIGRATION)
class PlanMigrationInput(Input):
    """The version that those who hold another one are to go over to."""

    target = serializers.IntegerField(min_value=1)


class PlanUnmoved(serializers.Serializer[Any]):
    """Who could not be moved, and why."""

    tenant = serializers.CharField(help_text="Its slug.")
    reason = serializers.CharField()


@example(examples.MIGRATED)
class PlanMigratedOutput(serializers.Serializer[Any]):
    """What one call moved; while `left` is more than 0, call again."""

    moved = serializers.IntegerField()
    refused = PlanUnmoved(many=True)
    left = serializers.IntegerField()


class SubscriptionFilters(Filters):
    """What subscriptions may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")
    plan_version = serializers.IntegerField(required=False, min_value=1)


@example(examples.NEW_SUBSCRIPTION)
class SubscriptionInput(Input):
    """A tenant and the published version that it shall hold."""

    tenant = TenantReference(queryset=Tenant.objects.all())
    plan_version = serializers.IntegerField(min_value=1)
    starts_on = serializers.DateField(
        required=False, allow_null=True, help_text="If left out, today."
    )
    ends_on = serializers.DateField(
        required=False, allow_null=True, help_text="The first day without it."
    )


@example(examples.CHANGE)
class SubscriptionChange(Input):
    """The version that a tenant goes over to, and when."""

    plan_version = serializers.IntegerField(min_value=1)
    starts_on = serializers.DateField(
        required=False, allow_null=True, help_text="If left out, with the next period."
    )


@example(examples.END)
class SubscriptionEnd(Input):
    """When a subscription ends."""

    ends_on = serializers.DateField(
        required=False,
        allow_null=True,
        help_text="The first day without it; if left out, with the running period.",
    )


@example(examples.SUBSCRIPTION)
class SubscriptionOutput(serializers.Serializer[Any]):
    """Which plan version a tenant holds, and when."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField(source="tenant_id")
    plan_version = serializers.IntegerField(source="version_id")
    name = serializers.CharField(source="version.name")
    number = serializers.IntegerField(source="version.number")
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)
    agreed_at = serializers.DateTimeField()
    end_agreed_at = serializers.DateTimeField(allow_null=True)
