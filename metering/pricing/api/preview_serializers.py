"""What previews of a version show. Amounts are exact, as text."""

import datetime as dt
from dataclasses import asdict
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters
from kit.money import decimal_from_picos
from metering.pricing.api import examples
from metering.pricing.previewing import ModelEffect, Month, TenantEffect, Total

_CHARGED = "What was charged for what the version prices."
_PREVIEW = "What the same use would be charged."


@extend_schema_field(OpenApiTypes.STR)
class MonthField(serializers.Field[dt.date, str, str, Any]):
    """A calendar month, such as 2026-10."""

    def to_internal_value(self, data: str) -> dt.date:
        """Return its first day."""
        try:
            if len(data) == len("2026-10"):
                return dt.date.fromisoformat(f"{data}-01")
        except ValueError:
            pass
        raise serializers.ValidationError("Give a month such as 2026-10.")


class PreviewFilters(Filters):
    """Which month is replayed."""

    month = MonthField(
        required=False, help_text="Such as 2026-10; if left out, the last one."
    )


class ModelEffectOutput(serializers.Serializer[Any]):
    """What a tenant was charged for a model, and what it would be."""

    model = serializers.CharField()
    requests = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    cached_input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    charged = serializers.CharField()
    preview = serializers.CharField(
        allow_null=True, help_text="Null where the version has no price for it."
    )

    def to_representation(self, instance: ModelEffect) -> dict[str, Any]:
        """Return it with its amounts as text."""
        counts = asdict(instance.counts)
        counts.pop("reasoning_tokens")
        priced = instance.preview_picos
        return {
            "model": instance.model,
            "requests": instance.requests,
            **counts,
            "charged": decimal_from_picos(instance.charged_picos),
            "preview": None if priced is None else decimal_from_picos(priced),
        }


class TenantShown(serializers.Serializer[Any]):
    """Whose use it is."""

    id = serializers.IntegerField()
    slug = serializers.CharField()


@example(examples.EFFECT)
class EffectOutput(serializers.Serializer[Any]):
    """What a version would come to for one tenant."""

    tenant = TenantShown()
    currency = serializers.CharField()
    charged = serializers.CharField(help_text=_CHARGED)
    preview = serializers.CharField(help_text=_PREVIEW)
    difference = serializers.CharField()
    unpriced = serializers.ListField(
        child=serializers.CharField(), help_text="Used, and without a price then."
    )
    models = ModelEffectOutput(many=True)

    def to_representation(self, instance: tuple[TenantEffect, str]) -> dict[str, Any]:
        """Return it with its amounts as text."""
        effect, currency = instance
        return {
            "tenant": {"id": effect.tenant.pk, "slug": effect.tenant.slug},
            "currency": currency,
            **_amounts(effect),
            "unpriced": effect.unpriced,
            "models": ModelEffectOutput(effect.models, many=True).data,
        }


class UnpricedOutput(serializers.Serializer[Any]):
    """A model that was used and would have no price."""

    model = serializers.CharField()
    tenants = serializers.IntegerField(help_text="How many used it.")


@example(examples.TOTAL)
class TotalOutput(serializers.Serializer[Any]):
    """What a version would come to for all who would pay by it."""

    month = serializers.CharField()
    tenants = serializers.IntegerField()
    currency = serializers.CharField()
    charged = serializers.CharField(help_text=_CHARGED)
    preview = serializers.CharField(help_text=_PREVIEW)
    difference = serializers.CharField()
    unpriced = UnpricedOutput(many=True)

    def to_representation(self, instance: tuple[Total, Month, str]) -> dict[str, Any]:
        """Return it with its amounts as text."""
        came_to, month, currency = instance
        return {
            "month": month.name,
            "tenants": came_to.tenants,
            "currency": currency,
            **_amounts(came_to),
            "unpriced": [
                {"model": model, "tenants": tenants}
                for model, tenants in sorted(came_to.unpriced.items())
            ],
        }


def _amounts(effect: TenantEffect | Total) -> dict[str, str]:
    return {
        "charged": decimal_from_picos(effect.charged_picos),
        "preview": decimal_from_picos(effect.preview_picos),
        "difference": decimal_from_picos(effect.difference_picos),
    }
