"""What the management API takes and shows of credit grants.

Money travels as text: a JSON number may pass through a float.
"""

from typing import Any

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from kit.money import decimal_from_picos
from metering.ledger.api import examples
from metering.ledger.models import PRIORITY_MAX, CreditGrant
from tenants.api.serializers.limits import AmountInput
from tenants.api.serializers.references import TenantField, TenantReference
from tenants.models import Tenant

_BURNED = "What use has taken of it."
_LEFT = "What use may still take of it."
_EXPIRED = "What was left when it expired or was ended."
_REVERSED = "What was taken back."
_REASONS = [each for each in CreditGrant.Reversal.choices if each[0]]


class CreditGrantFilters(Filters):
    """What credit grants may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=CreditGrant.Source.choices, required=False
    )
    reference = serializers.CharField(required=False, max_length=200)
    active = serializers.BooleanField(
        required=False, help_text="Whether it has neither expired nor been ended."
    )


@example(examples.GRANT)
class CreditGrantOutput(serializers.Serializer[Any]):
    """Credit that was granted, and what became of it."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField()
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=CreditGrant.Source.choices
    )
    currency = serializers.CharField()
    amount = serializers.CharField()
    amount_picos = serializers.CharField()
    left = serializers.CharField(help_text=_LEFT)
    left_picos = serializers.CharField()
    burned = serializers.CharField(help_text=_BURNED)
    burned_picos = serializers.CharField()
    expired = serializers.CharField(help_text=_EXPIRED)
    expired_picos = serializers.CharField()
    reversed = serializers.CharField(help_text=_REVERSED)
    reversed_picos = serializers.CharField()
    reversal = serializers.ChoiceField(
        choices=CreditGrant.Reversal.choices, help_text="Why it was last reversed."
    )
    priority = serializers.IntegerField(help_text="The lowest burns first.")
    reference = serializers.CharField()
    models = serializers.ListField(
        child=serializers.CharField(),
        help_text="The served models that it pays for; none for all.",
    )
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    expired_at = serializers.DateTimeField(
        allow_null=True, help_text="When what was left ended; null while it has not."
    )

    def to_representation(self, instance: CreditGrant) -> dict[str, Any]:
        """Lay out a grant whose use was counted along with it."""
        return dict(super().to_representation(shown(instance)))


@example(examples.NEW_GRANT)
class CreditGrantCreate(Input):
    """New credit of a tenant, in the currency that it pays in."""

    tenant = TenantReference(queryset=Tenant.objects.all())
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=CreditGrant.Source.choices,
        help_text="Whether it was paid for; says how it is booked, not how it burns.",
    )
    amount = AmountInput()
    reference = serializers.CharField(
        max_length=200, help_text="Of a payment, say: granted once for a tenant."
    )
    priority = serializers.IntegerField(
        min_value=0,
        max_value=PRIORITY_MAX,
        required=False,
        help_text="The lowest burns first; of equal ones what expires first. 100.",
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    models = serializers.ListField(
        child=serializers.CharField(max_length=200),
        required=False,
        max_length=100,
        source="for_models",
        help_text="Served models that it pays for, of a postpaid tenant; none for all.",
    )


@example(examples.REVERSAL)
class CreditReversal(Input):
    """How much of a grant is taken back, and why."""

    amount = AmountInput()
    reversal = serializers.ChoiceField(
        choices=_REASONS,
        help_text="A refund takes what is left, a charge back or a mistake also what"
        " is burned.",
    )


def shown(row: CreditGrant) -> dict[str, Any]:
    """Lay out a grant as `CreditGrantOutput` shows it."""
    burned = getattr(row, "burned_now", row.burned_picos)
    ended = row.expired_picos + row.reversed_picos
    amounts = {
        "amount": row.amount_picos,
        "left": 0 if row.expired_at else row.amount_picos - ended - burned,
        "burned": burned,
        "expired": row.expired_picos,
        "reversed": row.reversed_picos,
    }
    found: dict[str, Any] = {}
    for name, picos in amounts.items():
        found |= {name: decimal_from_picos(picos), f"{name}_picos": str(picos)}
    names = ("id", "source", "currency", "reversal", "priority", "reference")
    instants = ("created_at", "expires_at", "expired_at")
    found |= {name: getattr(row, name) for name in (*names, *instants)}
    return {"tenant": row.tenant_id, "models": row.for_models, **found}
