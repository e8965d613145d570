"""What the management API takes and shows of rate limits, quotas and budgets.

Money travels as text: a JSON number may pass through a float, and no float holds money.
"""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.acting import current
from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from kit.money import AmountFormatError, decimal_from_picos, picos_from_decimal
from tenants.api.examples import limits as examples
from tenants.api.serializers.plans import PlanReference
from tenants.api.serializers.references import ProjectReference, TenantReference
from tenants.models import (
    ApiKey,
    Budget,
    Level,
    Plan,
    Project,
    Quota,
    RateLimit,
    SetBy,
    Tenant,
    Window,
)

AMOUNT_HELP = "In units of the currency, a decimal, as text."
PICOS_HELP = "The same exactly, in 10^-12 of the currency's unit."
_COMMON = (
    *("id", "level", "plan", "tenant", "project", "key", "set_by", "model", "is_hard"),
    *("created_at", "ends_at", "ended_at"),
)


class KeyReference(serializers.PrimaryKeyRelatedField[ApiKey]):
    """An API key by its id."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "does_not_exist": "There is no API key {pk_value}."
    }

    def get_queryset(self) -> QuerySet[ApiKey]:
        """Leave out the keys of projects that the caller is not in."""
        rows: QuerySet[ApiKey] = super().get_queryset()  # type: ignore[assignment]
        projects = current().project_ids
        return rows if projects is None else rows.filter(project__in=projects)


@extend_schema_field(OpenApiTypes.STR)
class AmountInput(serializers.CharField):
    """An amount as text, taken as whole picos."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(source="amount_picos", help_text=AMOUNT_HELP, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        """Return picos; refuse what is no amount."""
        try:
            return picos_from_decimal(super().to_internal_value(data))
        except AmountFormatError as error:
            raise serializers.ValidationError(f"{error}.", code="invalid") from None


class _LimitOutput(serializers.ModelSerializer[Any]):
    key = serializers.PrimaryKeyRelatedField[ApiKey](
        source="api_key", read_only=True, allow_null=True
    )


@example(examples.RATE_LIMIT)
class RateLimitOutput(_LimitOutput):
    """A rate limit as it was set."""

    class Meta:
        model = RateLimit
        fields = (*_COMMON, "unit", "window", "value")
        read_only_fields = fields


@example(examples.QUOTA)
class QuotaOutput(_LimitOutput):
    """A quota as it was set."""

    class Meta:
        model = Quota
        fields = (*_COMMON, "unit", "window", "value", "warn_at")
        read_only_fields = fields


@example(examples.BUDGET)
class BudgetOutput(_LimitOutput):
    """A budget as it was set."""

    amount = serializers.SerializerMethodField(help_text=AMOUNT_HELP)
    amount_picos = serializers.SerializerMethodField(help_text=PICOS_HELP)

    class Meta:
        model = Budget
        fields = (*_COMMON, "window", "amount", "amount_picos", "currency", "warn_at")
        read_only_fields = fields

    def get_amount(self, row: Budget) -> str:
        """Return units of the currency."""
        return decimal_from_picos(row.amount_picos)

    def get_amount_picos(self, row: Budget) -> str:
        """Return picos."""
        return str(row.amount_picos)


class _LimitUpdate(Input):
    is_hard = serializers.BooleanField(
        required=False, help_text="Whether it stops, or only warns."
    )
    ends_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="Until when it holds, in place of one that is for good.",
    )


class _LimitCreate(_LimitUpdate):
    plan = PlanReference(
        queryset=Plan.objects.all(),
        required=False,
        help_text="For each tenant, project or key of its tenants, as `level` says.",
    )
    level = serializers.ChoiceField(
        choices=Level.choices, required=False, help_text="Of a plan's limit."
    )
    tenant = TenantReference(queryset=Tenant.objects.all(), required=False)
    project = ProjectReference(
        queryset=Project.objects.select_related("tenant"), required=False
    )
    key = KeyReference(
        queryset=ApiKey.objects.select_related("tenant"),
        required=False,
        source="api_key",
    )
    model = serializers.CharField(
        max_length=200,
        required=False,
        allow_blank=True,
        help_text="Of one served model; empty for all.",
    )


class _Warned(Input):
    warn_at = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=100),
        required=False,
        max_length=20,
        help_text="Percents at which to warn, ascending.",
    )


@example(examples.NEW_RATE_LIMIT)
class RateLimitCreate(_LimitCreate):
    """A new rate limit, for one of a plan, tenant, project or key."""

    unit = serializers.ChoiceField(choices=RateLimit.Unit.choices)
    window = serializers.ChoiceField(
        choices=[each for each in RateLimit.Window.choices if each[0]],
        required=False,
        allow_blank=True,
        help_text="Empty for concurrent requests, which are counted at a time.",
    )
    value = serializers.IntegerField(min_value=0)


@example(examples.RATE_LIMIT_CHANGES)
class RateLimitUpdate(_LimitUpdate):
    """What may change of a rate limit."""

    value = serializers.IntegerField(min_value=0, required=False)


@example(examples.NEW_QUOTA)
class QuotaCreate(_LimitCreate, _Warned):
    """A new quota, for one of a plan, tenant, project or key."""

    unit = serializers.ChoiceField(choices=Quota.Unit.choices)
    window = serializers.ChoiceField(choices=Window.choices)
    value = serializers.IntegerField(min_value=0)


@example(examples.QUOTA_CHANGES)
class QuotaUpdate(_LimitUpdate, _Warned):
    """What may change of a quota."""

    value = serializers.IntegerField(min_value=0, required=False)


@example(examples.NEW_BUDGET)
class BudgetCreate(_LimitCreate, _Warned):
    """A new budget, for one of a plan, tenant, project or key."""

    window = serializers.ChoiceField(choices=Window.choices)
    amount = AmountInput()
    currency = serializers.CharField(
        max_length=3,
        required=False,
        help_text="The tenant's own; a plan's budget must name one.",
    )


@example(examples.BUDGET_CHANGES)
class BudgetUpdate(_LimitUpdate, _Warned):
    """What may change of a budget."""

    amount = AmountInput(required=False)


class LimitFilters(Filters):
    """What limits may be narrowed by."""

    tenant = serializers.IntegerField(source="tenant_id", required=False)
    project = serializers.IntegerField(source="project_id", required=False)
    key = serializers.IntegerField(source="api_key_id", required=False)
    plan = serializers.IntegerField(source="plan_id", required=False)
    level = serializers.ChoiceField(choices=Level.choices, required=False)
    set_by = serializers.ChoiceField(choices=SetBy.choices, required=False)
    model = serializers.CharField(
        required=False, allow_blank=True, help_text="Empty for those of all models."
    )
    active = serializers.BooleanField(
        required=False, help_text="Whether it holds now, neither ended nor run out."
    )


def holder_of(values: dict[str, Any]) -> dict[str, Any]:
    """Take from what was given whom the limit is for."""
    names = ("plan", "level", "tenant", "project", "api_key")
    return {name: values.pop(name) for name in names if name in values}
