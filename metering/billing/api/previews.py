"""Previews of plan versions over HTTP."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.schema import example
from kit.drf.serializers import Filters
from kit.drf.views import ManagementViewSet
from kit.money import decimal_from_minor
from kit.scopes import Scope
from metering.billing.api.examples import PLAN_EFFECT
from metering.billing.composing.compose import Charges
from metering.billing.previewing import PlanEffect, holders, plan_effects
from metering.subscriptions import selectors
from metering.usage.epochs import database_now
from tenants.api.serializers.references import TenantField


class PlanPreviewFilters(Filters):
    """Whose last period is replayed."""

    tenant = TenantField(
        required=False,
        help_text="A tenant's slug or id; if left out, who holds the plan or is on it.",
    )


class PlanPreviewLine(serializers.Serializer[Any]):
    """One line of what it would come to."""

    kind = serializers.CharField()
    description = serializers.CharField()
    amount = serializers.CharField()


@example(PLAN_EFFECT)
class PlanEffectOutput(serializers.Serializer[Any]):
    """What a tenant's last period came to, and what it would; before credit and tax."""

    tenant = serializers.CharField(help_text="Its slug.")
    first_date = serializers.DateField()
    end_date = serializers.DateField(help_text="The first day after the period.")
    currency = serializers.CharField()
    charged = serializers.CharField(allow_null=True)
    preview = serializers.CharField(allow_null=True)
    difference = serializers.CharField(allow_null=True)
    problem = serializers.CharField(help_text="Why there is none; else empty.")
    lines = PlanPreviewLine(many=True)

    def to_representation(self, instance: PlanEffect) -> dict[str, Any]:
        """Return it with its amounts as text."""
        currency = instance.tenant.currency
        was, would = _minor(instance.charged), _minor(instance.preview)
        more = None if was is None or would is None else would - was
        return {
            "tenant": instance.tenant.slug,
            "first_date": instance.period.first_date.isoformat(),
            "end_date": instance.period.end_date.isoformat(),
            "currency": currency,
            "charged": _text(was, currency),
            "preview": _text(would, currency),
            "difference": _text(more, currency),
            "problem": instance.problem,
            "lines": [
                {
                    "kind": str(line.kind),
                    "description": line.description,
                    "amount": decimal_from_minor(line.amount_minor, currency),
                }
                for line in (instance.preview.lines if instance.preview else ())
            ],
        }


class PlanPreviewViewSet(ManagementViewSet):
    """What plan versions would come to."""

    noun = "plan_version"
    scopes: ClassVar = {"preview": Scope.OPERATE_READ}

    @extend_schema(
        operation_id="preview_plan_version",
        parameters=[PlanPreviewFilters],
        responses=PlanEffectOutput(many=True),
    )
    def preview(self, request: Request, pk: int) -> Response:
        """Replay the last period under a plan version, tenant by tenant.

        Each as though the tenant had held the version all the time, beside what its
        own plans, or none, came to. Drafts can be previewed too. Tenants that no
        period has ended for are left out.
        """
        version = selectors.plan_version(pk)
        wanted = self.parse_query(PlanPreviewFilters)
        tenants = holders(version=version, tenant=wanted.get("tenant"))
        page = self.paginate_queryset(tenants)
        found = plan_effects(version=version, tenants=page or [], now=database_now())
        return self.get_paginated_response(PlanEffectOutput(found, many=True).data)


def _minor(charges: Charges | None) -> int | None:
    return None if charges is None else charges.amount_minor


def _text(minor: int | None, currency: str) -> str | None:
    return None if minor is None else decimal_from_minor(minor, currency)
