"""What the management API shows of the limits in effect, and where they come from."""

from typing import Any

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters
from kit.money import decimal_from_picos
from tenants.api.examples import limits as examples
from tenants.api.serializers.limits import AMOUNT_HELP, PICOS_HELP
from tenants.limits.resolution import Effective, Kind, Row
from tenants.models import Level, SetBy
from tenants.selectors import EffectiveLimits


class EffectiveFilters(Filters):
    """Whose limits are asked for: one of a key, a project or a tenant."""

    key = serializers.IntegerField(required=False)
    project = serializers.IntegerField(required=False)
    tenant = serializers.IntegerField(
        required=False, help_text="A tenant's own token may leave it out."
    )
    model = serializers.CharField(
        required=False,
        max_length=200,
        help_text="A served model; without one, every model's limits are shown.",
    )


class LimitOriginOutput(serializers.Serializer[Any]):
    """The row that a limit in effect comes from."""

    limit = serializers.IntegerField(help_text="Its id among those of its kind.")
    plan = serializers.IntegerField(
        allow_null=True, help_text="The plan whose default it is; null for an own one."
    )
    set_by = serializers.ChoiceField(choices=SetBy.choices)
    ends_at = serializers.DateTimeField(
        allow_null=True, help_text="When it falls back to what is for good."
    )


class _Valued(serializers.Serializer[Any]):
    value = serializers.IntegerField(
        allow_null=True, help_text="Requests or tokens; null for a budget."
    )
    amount = serializers.CharField(allow_null=True, help_text=AMOUNT_HELP)
    amount_picos = serializers.CharField(allow_null=True, help_text=PICOS_HELP)


class LimitBesideOutput(LimitOriginOutput, _Valued):
    """The higher row beside the one in effect: the operators', or the tenant's own."""


class EffectiveLimitOutput(_Valued):
    """One limit in effect; each holder, of a plan's limit too, has its own count."""

    kind = serializers.ChoiceField(choices=[each.value for each in Kind])
    level = serializers.ChoiceField(choices=Level.choices)
    holder = serializers.IntegerField(help_text="The tenant, project or key.")
    model = serializers.CharField(allow_blank=True)
    unit = serializers.CharField(allow_blank=True)
    window = serializers.CharField(allow_blank=True)
    currency = serializers.CharField(allow_blank=True)
    is_hard = serializers.BooleanField()
    is_binding = serializers.BooleanField(
        help_text="Whether nothing else that counts the same is tighter."
    )
    warn_at = serializers.ListField(child=serializers.IntegerField())
    origin = LimitOriginOutput()
    beside = LimitBesideOutput(allow_null=True)


@example(examples.EFFECTIVE)
class EffectiveLimitsOutput(serializers.Serializer[Any]):
    """What holds at an instant, from the widest level to the narrowest, all at once."""

    tenant = serializers.IntegerField()
    project = serializers.IntegerField(allow_null=True)
    key = serializers.IntegerField(allow_null=True)
    model = serializers.CharField(allow_null=True)
    plan = serializers.IntegerField(
        allow_null=True, help_text="The plan that holds: the tenant's, or the default."
    )
    at = serializers.DateTimeField()
    limits = EffectiveLimitOutput(many=True)


def shown(found: EffectiveLimits) -> dict[str, Any]:
    """Lay out resolved limits as `EffectiveLimitsOutput` shows them."""
    subject = found.subject
    return {
        "tenant": subject.tenant_id,
        "project": subject.project_id,
        "key": subject.api_key_id,
        "model": subject.model,
        "plan": subject.plan_id,
        "at": found.at,
        "limits": [
            {**_entry(each), "is_binding": each in found.binding}
            for each in found.chain
        ],
    }


def _entry(each: Effective) -> dict[str, Any]:
    row = each.row
    measure = row.measure
    beside = each.beside
    return {
        "kind": measure.kind.value,
        "level": row.level,
        "holder": each.holder_id,
        "model": row.model,
        "unit": measure.unit,
        "window": measure.window,
        "currency": measure.currency,
        "is_hard": row.is_hard,
        "warn_at": row.warn_at,
        **_value(row),
        "origin": origin_of(row),
        "beside": None if beside is None else {**origin_of(beside), **_value(beside)},
    }


def origin_of(row: Row) -> dict[str, Any]:
    """Lay out where a limit comes from as `LimitOriginOutput` shows it."""
    return {
        "limit": row.id,
        "plan": row.plan_id,
        "set_by": SetBy.TENANT if row.is_tenants else SetBy.OPERATOR,
        "ends_at": row.ends_at,
    }


def _value(row: Row) -> dict[str, Any]:
    if row.measure.kind is not Kind.BUDGET:
        return {"value": row.value, "amount": None, "amount_picos": None}
    return {
        "value": None,
        "amount": decimal_from_picos(row.value),
        "amount_picos": str(row.value),
    }
