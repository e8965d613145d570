"""What the management API shows of what may still be spent.

Money is text, in units and in picos: a JSON number may pass through a float. Tokens are
whole numbers.
"""

import datetime as dt
from typing import Any

from rest_framework import serializers

from kit.drf.schema import example
from kit.money import decimal_from_picos
from metering.budgets.api import examples
from metering.budgets.models import Window
from metering.budgets.selectors import Place, Standing
from tenants.api.serializers.effective_limits import LimitOriginOutput, origin_of
from tenants.models import Level

_LIMIT = "What holds now, of whatever rows."
_POSTED = "What requests that have ended used in this window."
_HELD = "What running requests have used so far."
_LEASED = "What gateways have set aside, `held` included; what is idle is given back."
_LEFT = "`limit` less `posted` and `held`; below zero when it was lowered since."
_AVAILABLE = "What may still be used: `left`, or nothing."
_PARTS = {
    "limit": _LIMIT,
    "posted": _POSTED,
    "held": _HELD,
    "leased": _LEASED,
    "left": _LEFT,
    "available": _AVAILABLE,
}


class TokensOutput(serializers.Serializer[Any]):
    """A quota's numbers, in tokens."""

    limit = serializers.IntegerField(help_text=_LIMIT)
    posted = serializers.IntegerField(help_text=_POSTED)
    held = serializers.IntegerField(help_text=_HELD)
    leased = serializers.IntegerField(help_text=_LEASED)
    left = serializers.IntegerField(help_text=_LEFT)
    available = serializers.IntegerField(help_text=_AVAILABLE)


class MoneyOutput(serializers.Serializer[Any]):
    """A budget's or the credit's numbers, in units of the currency and in picos."""

    limit = serializers.CharField(help_text=_LIMIT)
    limit_picos = serializers.CharField()
    posted = serializers.CharField(help_text=_POSTED)
    posted_picos = serializers.CharField()
    held = serializers.CharField(help_text=_HELD)
    held_picos = serializers.CharField()
    leased = serializers.CharField(help_text=_LEASED)
    leased_picos = serializers.CharField()
    left = serializers.CharField(help_text=_LEFT)
    left_picos = serializers.CharField()
    available = serializers.CharField(help_text=_AVAILABLE)
    available_picos = serializers.CharField()


class ExpiringOutput(serializers.Serializer[Any]):
    """The credit that ends next, if nothing uses it before."""

    at = serializers.DateTimeField()
    amount = serializers.CharField()
    amount_picos = serializers.CharField()


class PlaceOutput(serializers.Serializer[Any]):
    """How one limit stands in its running window."""

    kind = serializers.ChoiceField(choices=Window.Kind.choices)
    level = serializers.ChoiceField(choices=Level.choices)
    holder = serializers.IntegerField(help_text="The tenant, project or key.")
    model = serializers.CharField(allow_blank=True, help_text="Empty for all.")
    unit = serializers.CharField(allow_blank=True)
    window = serializers.CharField()
    currency = serializers.CharField(allow_blank=True)
    is_hard = serializers.BooleanField(help_text="Whether it stops, or only warns.")
    starts_at = serializers.DateTimeField(
        allow_null=True, help_text="Null for what is for ever."
    )
    ends_at = serializers.DateTimeField(
        allow_null=True, help_text="When the count begins anew; null for never."
    )
    share_used = serializers.FloatField(help_text="1 when all of it is used.")
    money = MoneyOutput(allow_null=True)
    tokens = TokensOutput(allow_null=True)
    origin = LimitOriginOutput(
        allow_null=True, help_text="The row it comes from; credit comes from none."
    )
    expiring = ExpiringOutput(allow_null=True)


@example(examples.STANDING)
class StandingOutput(serializers.Serializer[Any]):
    """What may still be spent at an instant; what is tightest comes first."""

    tenant = serializers.IntegerField()
    project = serializers.IntegerField(allow_null=True)
    key = serializers.IntegerField(allow_null=True)
    model = serializers.CharField(allow_null=True)
    plan = serializers.IntegerField(allow_null=True)
    at = serializers.DateTimeField()
    limits = PlaceOutput(many=True)


def shown(found: Standing) -> dict[str, Any]:
    """Lay out what may still be spent as `StandingOutput` shows it."""
    subject = found.limits.subject
    return {
        "tenant": subject.tenant_id,
        "project": subject.project_id,
        "key": subject.api_key_id,
        "model": subject.model,
        "plan": subject.plan_id,
        "at": found.limits.at,
        "limits": [_place(each) for each in found.places],
    }


def _place(place: Place) -> dict[str, Any]:
    what = place.what
    is_quota = what.kind == Window.Kind.QUOTA
    return {
        "kind": what.kind,
        "level": what.level,
        "holder": what.holder_id,
        "model": what.model,
        "unit": what.unit,
        "window": what.window,
        "currency": place.currency,
        "is_hard": what.is_hard,
        "starts_at": _bound(place, place.starts_at),
        "ends_at": _bound(place, place.ends_at),
        "share_used": round(place.share_used, 4),
        "money": None if is_quota else _money(place),
        "tokens": {name: getattr(place, name) for name in _PARTS} if is_quota else None,
        "origin": place.limited_by and origin_of(place.limited_by.row),
        "expiring": place.expiring
        and {"at": place.expiring.at, **_amount("amount", place.expiring.picos)},
    }


def _bound(place: Place, instant: dt.datetime) -> dt.datetime | None:
    return None if place.is_for_ever else instant


def _money(place: Place) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _PARTS:
        found |= _amount(name, getattr(place, name))
    return found


def _amount(name: str, picos: int) -> dict[str, str]:
    return {name: decimal_from_picos(picos), f"{name}_picos": str(picos)}
