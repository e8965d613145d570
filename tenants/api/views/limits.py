"""Rate limits, quotas and budgets over HTTP, and what they come to for a caller.

The three kinds are one viewset each, alike but for what they count.
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer

from kit.drf.serializers import Input
from kit.drf.views import ManagementView, ManagementViewSet
from kit.scopes import Scope
from tenants import selectors, services
from tenants.api.meaning import holder_meant
from tenants.api.serializers import effective_limits as effective
from tenants.api.serializers import limits as wire
from tenants.models import Budget, Limit, Quota, RateLimit
from tenants.services import Holder

_View = TypeVar("_View", bound="type[LimitViewSet]")


class LimitViewSet(ManagementViewSet):
    """Limits of one kind."""

    conflicting = ("create", "partial_update")
    scopes: ClassVar = {
        "list": Scope.LIMITS_READ,
        "create": Scope.LIMITS_WRITE,
        "retrieve": Scope.LIMITS_READ,
        "partial_update": Scope.LIMITS_WRITE,
        "end": Scope.LIMITS_WRITE,
    }
    kind: type[Limit]
    output: type[ModelSerializer[Any]]
    new: type[Input]
    changes: type[Input]
    service: Callable[..., Limit]

    def list(self, request: Request) -> Response:
        """List the limits of this kind, newest first.

        Ended ones are listed too, unless `active=true`. A tenant sees its own, the
        operators' for it, and those of its plan.
        """
        filters = self.parse_query(wire.LimitFilters)
        rows = selectors.limits(self.kind, now=timezone.now(), **filters)
        return self.page(rows, self.output)

    def create(self, request: Request) -> Response:
        """Set a limit of this kind for one plan, tenant, project or key.

        What operators set goes before the plan's. What a tenant sets for itself stands
        beside that, and the lower one holds. With `ends_at` it holds until then in
        place of the one that is there for good.
        """
        values = self.parse(self.new)
        whom = wire.holder_of(values)
        if not whom and self.actor.tenant_id is not None:
            whom["tenant"] = selectors.tenant(self.actor.tenant_id)
        row = type(self).service(holder=Holder.of(**whom), now=timezone.now(), **values)
        return Response(self.output(row).data, status.HTTP_201_CREATED)

    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one limit as it was set.

        What it comes to together with the others is at `limits/effective/`.
        """
        return Response(self.output(selectors.limit(self.kind, pk)).data)

    def partial_update(self, request: Request, pk: int) -> Response:
        """Change a limit; it holds from this moment on.

        Whom it is for and what it counts stay: end it and set another one. Tenants
        change only what they have set themselves.
        """
        row = selectors.limit(self.kind, pk)
        changes = self.parse(self.changes)
        row = services.change_limit(limit=row, now=timezone.now(), **changes)
        return Response(self.output(row).data)

    @action(detail=True, methods=["post"])
    def end(self, request: Request, pk: int) -> Response:
        """End a limit for good; it stays to be read.

        What it stood before holds again: the plan's, or the operators' beside the
        tenant's own. Ending twice keeps the first instant.
        """
        row = selectors.limit(self.kind, pk)
        row = services.end_limit(limit=row, now=timezone.now())
        return Response(self.output(row).data)


def _documented(view: _View) -> _View:
    """Say in the document what a kind takes and shows."""
    made: _View = extend_schema_view(
        list=extend_schema(
            parameters=[wire.LimitFilters], responses=view.output(many=True)
        ),
        create=extend_schema(request=view.new, responses={201: view.output}),
        retrieve=extend_schema(responses=view.output),
        partial_update=extend_schema(request=view.changes, responses=view.output),
        end=extend_schema(request=None, responses=view.output),
    )(view)
    return made


@_documented
class RateLimitViewSet(LimitViewSet):
    """How fast one may go."""

    noun = "rate_limit"
    locks = RateLimit
    kind = RateLimit
    output = wire.RateLimitOutput
    new, changes = wire.RateLimitCreate, wire.RateLimitUpdate
    service = services.create_rate_limit


@_documented
class QuotaViewSet(LimitViewSet):
    """How many tokens one may use in a window."""

    noun = "quota"
    locks = Quota
    kind = Quota
    output = wire.QuotaOutput
    new, changes = wire.QuotaCreate, wire.QuotaUpdate
    service = services.create_quota


@_documented
class BudgetViewSet(LimitViewSet):
    """How much money one may spend in a window."""

    noun = "budget"
    locks = Budget
    kind = Budget
    output = wire.BudgetOutput
    new, changes = wire.BudgetCreate, wire.BudgetUpdate
    service = services.create_budget


class EffectiveLimitsView(ManagementView):
    """What holds for a key, a project or a tenant."""

    scopes: ClassVar = {"get": Scope.LIMITS_READ}

    @extend_schema(
        operation_id="read_effective_limits",
        parameters=[effective.EffectiveFilters],
        responses=effective.EffectiveLimitsOutput,
    )
    def get(self, request: Request) -> Response:
        """Show the limits in effect, and which row each comes from.

        All of them hold at once. Of each kind, unit and window the binding one is the
        tightest, hard and soft apart; `beside` is what it is lower than.
        """
        wanted = self.parse_query(effective.EffectiveFilters)
        found = selectors.effective_limits(
            model=wanted.pop("model", None),
            now=timezone.now(),
            **holder_meant(self.actor, wanted),
        )
        return Response(effective.EffectiveLimitsOutput(effective.shown(found)).data)
