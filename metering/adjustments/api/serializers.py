"""What the management API takes and shows of adjustments of requests.

Money travels as text: a JSON number may pass through a float.
"""

from dataclasses import asdict
from typing import Any

from rest_framework import serializers

from kit.contracts import TokenCounts
from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from kit.money import decimal_from_picos
from metering.adjustments.adjusting import TOKENS_MAX, Effect, Wanted
from metering.adjustments.api import examples
from metering.adjustments.models import Adjustment
from metering.adjustments.selectors import Net
from metering.usage.corrections import Request
from tenants.api.serializers.references import TenantField, TenantReference
from tenants.models import Tenant

REASON_CHARS_MAX = 500
REFERENCE_CHARS_MAX = 100
_BY_PEOPLE = [Adjustment.Kind.VOID, Adjustment.Kind.CORRECT]
_REFERENCE = "Yours, such as a ticket's: the same one again answers with the same."
_OF_REQUESTS = "Null of a re-rating, which changes none."


def amounts(**picos: int) -> dict[str, str]:
    """Lay out amounts of money: exactly, and as people read them."""
    shown: dict[str, str] = {}
    for name, amount in picos.items():
        shown |= {name: decimal_from_picos(amount), f"{name}_picos": str(amount)}
    return shown


def charges(before_picos: int, after_picos: int) -> dict[str, str]:
    """Lay out what was charged, what is, and the difference."""
    return amounts(
        charge_before=before_picos,
        charge_after=after_picos,
        difference=after_picos - before_picos,
    )


class AdjustmentFilters(Filters):
    """What adjustments may be narrowed by."""

    tenant = TenantField(required=False, help_text="A tenant's slug or id.")
    kind = serializers.ChoiceField(choices=Adjustment.Kind.choices, required=False)
    request_id = serializers.UUIDField(required=False)


class AdjustedTokensInput(Input):
    """The tokens that shall stand, by class."""

    input_tokens = serializers.IntegerField(min_value=0, max_value=TOKENS_MAX)
    cached_input_tokens = serializers.IntegerField(min_value=0, max_value=TOKENS_MAX)
    output_tokens = serializers.IntegerField(min_value=0, max_value=TOKENS_MAX)
    reasoning_tokens = serializers.IntegerField(
        min_value=0, max_value=TOKENS_MAX, default=0, help_text="Part of the output."
    )


@example(examples.WANTED)
class AdjustmentPreviewInput(Input):
    """What shall stand of a request: nothing, or these tokens."""

    tenant = TenantReference(queryset=Tenant.objects.all())
    request_id = serializers.UUIDField(help_text="The `x-request-id` of the answer.")
    kind = serializers.ChoiceField(choices=_BY_PEOPLE)
    tokens = AdjustedTokensInput(
        required=False, help_text="Of a correction: what is right."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take tokens with a correction, and with nothing else."""
        if (attrs["kind"] == Adjustment.Kind.CORRECT) != ("tokens" in attrs):
            raise serializers.ValidationError(
                {"tokens": "Say what is right of a correction; a void has no tokens."}
            )
        return attrs


@example(examples.NEW_ADJUSTMENT)
class AdjustmentInput(AdjustmentPreviewInput):
    """What is wanted of a request, and why."""

    reason = serializers.CharField(
        max_length=REASON_CHARS_MAX, help_text="The tenant sees it."
    )
    reference = serializers.CharField(
        max_length=REFERENCE_CHARS_MAX, help_text=_REFERENCE
    )


class AdjustedTokensOutput(serializers.Serializer[Any]):
    """Tokens of a request, by class."""

    input_tokens = serializers.IntegerField()
    cached_input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()


class ChargeChange(serializers.Serializer[Any]):
    """What was charged before, what is after, and the difference."""

    charge_before = serializers.CharField()
    charge_before_picos = serializers.CharField()
    charge_after = serializers.CharField()
    charge_after_picos = serializers.CharField()
    difference = serializers.CharField(help_text="Below zero where it is less.")
    difference_picos = serializers.CharField()


@example(examples.EFFECT)
class AdjustmentPreviewOutput(ChargeChange):
    """What an adjustment would change now."""

    before = AdjustedTokensOutput()
    after = AdjustedTokensOutput()
    currency = serializers.CharField()

    def to_representation(self, instance: Effect) -> dict[str, Any]:
        """Lay out the effect of an adjustment."""
        shown = {
            "before": asdict(instance.before),
            "after": asdict(instance.after),
            **charges(instance.charge_before_picos, instance.charge_after_picos),
            "currency": instance.currency,
        }
        return dict(super().to_representation(shown))


@example(examples.ADJUSTMENT)
class AdjustmentOutput(ChargeChange):
    """What was set right, and why."""

    id = serializers.IntegerField()
    tenant = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=Adjustment.Kind.choices)
    request_id = serializers.UUIDField(allow_null=True)
    project = serializers.IntegerField(allow_null=True)
    rerating = serializers.IntegerField(allow_null=True)
    requests = serializers.IntegerField(help_text="How many it is about.")
    before = AdjustedTokensOutput(allow_null=True, help_text=_OF_REQUESTS)
    after = AdjustedTokensOutput(allow_null=True, help_text=_OF_REQUESTS)
    currency = serializers.CharField()
    reason = serializers.CharField()
    reference = serializers.CharField()
    made_at = serializers.DateTimeField()

    def to_representation(self, instance: Adjustment) -> dict[str, Any]:
        """Lay out an adjustment."""
        return dict(super().to_representation(shown(instance)))


class NetOutput(serializers.Serializer[Any]):
    """What stands of a request now, with all that was set right since."""

    tokens = AdjustedTokensOutput()
    charge = serializers.CharField()
    charge_picos = serializers.CharField()


@example({**examples.ADJUSTMENT, "net": examples.NET})
class AdjustmentDetailOutput(AdjustmentOutput):
    """What was set right, why, and what stands of the request now."""

    net = NetOutput(allow_null=True, help_text="Null of a re-rating.")

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Lay out an adjustment with what stands."""
        row, net = instance
        return dict(
            serializers.Serializer.to_representation(
                self, {**shown(row), "net": _net(net)}
            )
        )


def wanted(asked: dict[str, Any]) -> Wanted:
    """Return what a body wants of a request."""
    tokens = asked.get("tokens")
    return Wanted(
        Request(asked["tenant"].pk, asked["request_id"]),
        None if tokens is None else TokenCounts(**tokens),
    )


def shown(row: Adjustment) -> dict[str, Any]:
    """Lay out an adjustment as `AdjustmentOutput` shows it."""
    of_many = row.kind == Adjustment.Kind.RERATE
    names = ("id", "kind", "request_id", "currency", "reason", "reference", "made_at")
    return {
        **{name: getattr(row, name) for name in names},
        **charges(row.charge_before_picos, row.charge_after_picos),
        "tenant": row.tenant_id,
        "project": row.project_id,
        "rerating": row.rerating_id,
        "requests": row.after["requests"] if of_many else 1,
        "before": None if of_many else row.before,
        "after": None if of_many else row.after,
    }


def _net(net: Net | None) -> dict[str, Any] | None:
    if net is None:
        return None
    return {"tokens": asdict(net.counts), **amounts(charge=net.charge_picos)}
