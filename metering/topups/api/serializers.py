"""What the management API takes and shows of top-ups and their rules.

Amounts are whole numbers of the currency's minor unit, as invoices are.
"""

from typing import Any

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from kit.money import minor_from_picos
from metering.topups.api import examples
from metering.topups.models import COOL_OFF_S_MAX, TopUp, TopUpRule
from tenants.api.serializers.references import TenantField, TenantReference
from tenants.models import Tenant

_MINOR = "In the currency's minor unit, before tax."
_AMOUNT_MAX = 10**15


def _amount(text: str = "") -> serializers.IntegerField:
    return serializers.IntegerField(
        min_value=1, max_value=_AMOUNT_MAX, help_text=f"{text} {_MINOR}".strip()
    )


class RuleFilters(Filters):
    """What rules may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")


class TopUpFilters(RuleFilters):
    """What top-ups may be narrowed by."""

    state = serializers.ChoiceField(choices=TopUp.State.choices, required=False)


@example(examples.TOP_UP)
class TopUpOutput(serializers.Serializer[TopUp]):
    """Credit that a tenant buys, and how far that has come."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField(source="tenant_id")
    state = serializers.ChoiceField(choices=TopUp.State.choices)
    amount_minor = serializers.IntegerField(help_text=_MINOR)
    currency = serializers.CharField()
    by_rule = serializers.BooleanField(help_text="Whether the rule asked for it.")
    way = serializers.ChoiceField(
        choices=TopUp.Way.choices,
        help_text="How it is paid for: only by its invoice is it owed before.",
    )
    problem = serializers.CharField(
        help_text="Why it waits, or why its payment failed; else empty."
    )
    reference = serializers.CharField(help_text="What its credit is granted under.")
    invoice = serializers.IntegerField(source="invoice_id", allow_null=True)
    credit_grant = serializers.IntegerField(source="grant_id", allow_null=True)
    asked_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


@example(examples.NEW_TOP_UP)
class TopUpInput(Input):
    """Credit to buy."""

    tenant = TenantReference(queryset=Tenant.objects.all())
    amount_minor = _amount()


@example(examples.RULE)
class RuleOutput(serializers.Serializer[Any]):
    """When a tenant's credit is topped up by itself."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField()
    currency = serializers.CharField()
    threshold_minor = serializers.IntegerField(
        help_text="Once less than this is left, credit is bought."
    )
    amount_minor = serializers.IntegerField(help_text=_MINOR)
    period_max_minor = serializers.IntegerField(
        help_text="What it buys in a billing period never comes to more."
    )
    cool_off_s = serializers.IntegerField(
        help_text="Seconds from one attempt to the next, whatever came of the first."
    )
    enabled = serializers.BooleanField()

    def to_representation(self, instance: TopUpRule) -> dict[str, Any]:
        """Lay out a rule in its tenant's currency."""
        currency = instance.tenant.currency
        names = ("id", "amount_minor", "period_max_minor", "cool_off_s", "enabled")
        shown = {name: getattr(instance, name) for name in names}
        shown |= {"tenant": instance.tenant_id, "currency": currency}
        threshold = minor_from_picos(instance.threshold_picos, currency)
        return dict(super().to_representation({**shown, "threshold_minor": threshold}))


@example(examples.NEW_RULE)
class RuleInput(Input):
    """When a tenant's credit is to be topped up by itself."""

    tenant = TenantReference(queryset=Tenant.objects.all())
    threshold_minor = _amount("Once less than this is left, credit is bought.")
    amount_minor = _amount()
    period_max_minor = _amount("The most that it buys in a billing period.")
    cool_off_s = serializers.IntegerField(
        min_value=0,
        max_value=COOL_OFF_S_MAX,
        required=False,
        help_text="Seconds from one attempt to the next. 3600.",
    )
    enabled = serializers.BooleanField(required=False, help_text="True.")
