"""What the management API takes and shows of re-ratings.

Prices are quoted as they are in price books: text, per million tokens.
"""

from dataclasses import asdict
from typing import Any

from rest_framework import serializers

from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from kit.money import quote_per_million
from metering.adjustments.api import examples
from metering.adjustments.api.serializers import (
    REASON_CHARS_MAX,
    REFERENCE_CHARS_MAX,
    ChargeChange,
    amounts,
    charges,
)
from metering.adjustments.models import ReratedTenant, Rerating
from metering.adjustments.previewing import Scope, TenantEffect
from metering.pricing.api.serializers import QuoteInput
from metering.pricing.corrective import Quote
from metering.pricing.models import PriceBook
from tenants.api.serializers.references import TenantReference
from tenants.models import Tenant


class ReratingFilters(Filters):
    """What re-ratings may be narrowed by."""

    state = serializers.ChoiceField(choices=Rerating.State.choices, required=False)
    model = serializers.CharField(required=False, max_length=128)


@example(examples.RANGE)
class ReratingPreviewInput(Input):
    """Whose use of which model, and what it should have cost."""

    price_book = serializers.PrimaryKeyRelatedField(
        queryset=PriceBook.objects.all(),
        help_text="The book with the wrong price: use by other books is left alone.",
    )
    model = serializers.CharField(max_length=128, help_text="Its public name.")
    tenant = TenantReference(
        queryset=Tenant.objects.all(),
        required=False,
        allow_null=True,
        help_text="Only this one; null means all that paid by the book.",
    )
    start = serializers.DateTimeField(help_text="From when on, by admission.")
    end = serializers.DateTimeField(help_text="Before when; it must be over.")
    input_per_million = QuoteInput()
    cached_input_per_million = QuoteInput()
    output_per_million = QuoteInput()


@example(examples.NEW_RERATING)
class ReratingInput(ReratingPreviewInput):
    """What is rated anew, and why."""

    reason = serializers.CharField(
        max_length=REASON_CHARS_MAX, help_text="Its tenants see it."
    )
    reference = serializers.CharField(
        max_length=REFERENCE_CHARS_MAX,
        help_text="Yours: the same one again answers with the same re-rating.",
    )


class ReratingTenantEffect(ChargeChange):
    """What a re-rating would come to for one tenant."""

    tenant = serializers.IntegerField()
    slug = serializers.CharField()
    requests = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    cached_input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    invoiced_difference = serializers.CharField(
        help_text="Of closed periods: a named adjustment in the next invoice."
    )
    invoiced_difference_picos = serializers.CharField()


@example(examples.PREVIEW)
class ReratingPreviewOutput(serializers.Serializer[Any]):
    """Who is affected, and by how much."""

    currency = serializers.CharField()
    tenants = ReratingTenantEffect(many=True)


class ReratingProgress(ChargeChange):
    """What a re-rating has come to for one tenant so far."""

    tenant = serializers.IntegerField()
    requests = serializers.IntegerField()


@example(examples.RERATING)
class ReratingOutput(serializers.Serializer[Any]):
    """Use of a model, rated anew by a corrected price."""

    id = serializers.IntegerField()
    price_book = serializers.IntegerField()
    model = serializers.CharField()
    tenant = serializers.IntegerField(allow_null=True)
    start = serializers.DateTimeField()
    end = serializers.DateTimeField()
    input_per_million = serializers.CharField()
    cached_input_per_million = serializers.CharField()
    output_per_million = serializers.CharField()
    currency = serializers.CharField()
    price = serializers.IntegerField(help_text="What usage events name.")
    state = serializers.ChoiceField(choices=Rerating.State.choices)
    reason = serializers.CharField()
    reference = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, instance: Rerating) -> dict[str, Any]:
        """Lay out a re-rating."""
        return dict(super().to_representation(shown(instance)))


@example({**examples.RERATING, "progress": [examples.PROGRESS]})
class ReratingDetailOutput(ReratingOutput):
    """A re-rating with what it has come to so far."""

    progress = ReratingProgress(many=True)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Lay out a re-rating with its progress."""
        row, tenants = instance
        progress = [_progress(each) for each in tenants]
        return dict(
            serializers.Serializer.to_representation(
                self, {**shown(row), "progress": progress}
            )
        )


def scope(asked: dict[str, Any]) -> Scope:
    """Return what a body wants rated anew."""
    return Scope(
        book=asked["price_book"],
        model=asked["model"],
        start=asked["start"],
        end=asked["end"],
        tenant=asked.get("tenant"),
    )


def quote(asked: dict[str, Any]) -> Quote:
    """Return the price of a body."""
    return Quote(
        input_per_million=asked["input_per_million"],
        cached_input_per_million=asked["cached_input_per_million"],
        output_per_million=asked["output_per_million"],
    )


def effect(each: TenantEffect) -> dict[str, Any]:
    """Lay out what a re-rating would come to for a tenant."""
    return {
        "tenant": each.tenant_id,
        "slug": each.tenant,
        "requests": each.requests,
        **asdict(each.counts),
        **charges(each.charge_before_picos, each.charge_after_picos),
        **amounts(invoiced_difference=each.invoiced_difference_picos),
    }


def shown(row: Rerating) -> dict[str, Any]:
    """Lay out a re-rating as `ReratingOutput` shows it."""
    names = ("id", "model", "state", "reason", "reference", "created_at", "finished_at")
    return {
        **{name: getattr(row, name) for name in names},
        "price_book": row.book_id,
        "tenant": row.tenant_id,
        "start": row.starts_at,
        "end": row.ends_at,
        "input_per_million": quote_per_million(row.price.input_picos),
        "cached_input_per_million": quote_per_million(row.price.cached_input_picos),
        "output_per_million": quote_per_million(row.price.output_picos),
        "currency": row.book.currency,
        "price": row.price_id,
    }


def _progress(each: ReratedTenant) -> dict[str, Any]:
    return {
        "tenant": each.tenant_id,
        "requests": each.requests,
        **charges(each.charge_before_picos, each.charge_after_picos),
    }
