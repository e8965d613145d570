"""Plans over HTTP: parse, one call, render."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from tenants import selectors, services
from tenants.api.serializers import plans as wire
from tenants.models import Plan


class PlanViewSet(ManagementViewSet):
    """What tenants may use unless their own limits say otherwise."""

    noun = "plan"
    locks = Plan
    conflicting = ("create",)
    scopes: ClassVar = {
        "list": Scope.LIMITS_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.LIMITS_READ,
        "partial_update": Scope.OPERATE_WRITE,
        "make_default": Scope.OPERATE_WRITE,
        "clear_default": Scope.OPERATE_WRITE,
    }

    @extend_schema(parameters=[wire.PlanFilters], responses=wire.PlanOutput(many=True))
    def list(self, request: Request) -> Response:
        """List plans, newest first.

        A tenant sees the one that holds for it: its own, or the default one.
        """
        rows = selectors.plans(**self.parse_query(wire.PlanFilters))
        return self.page(rows, wire.PlanOutput)

    @extend_schema(request=wire.PlanCreate, responses={201: wire.PlanOutput})
    def create(self, request: Request) -> Response:
        """Create a plan, which limits nothing yet.

        Give its limits next, each for every tenant, project or key. As the default it
        takes the place of the one that was, at once.
        """
        row = services.create_plan(**self.parse(wire.PlanCreate))
        return Response(wire.PlanOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.PlanOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one plan.

        What it allows is listed by `plan` among the rate limits, quotas and budgets.
        """
        return Response(wire.PlanOutput(selectors.plan(pk)).data)

    @extend_schema(request=wire.PlanUpdate, responses=wire.PlanOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change a plan: its name, and how its tenants stand beside others.

        Its slug is for good. Every gateway knows within a second.
        """
        row = services.update_plan(
            plan=selectors.plan(pk), **self.parse(wire.PlanUpdate)
        )
        return Response(wire.PlanOutput(row).data)

    @extend_schema(request=None, responses=wire.PlanOutput)
    @action(detail=True, methods=["post"], url_path="make-default")
    def make_default(self, request: Request, pk: int) -> Response:
        """Let a plan hold for every tenant that is on no other.

        The default plan until now ceases to be it in the same moment: no tenant is
        without limits, nor under both.
        """
        row = services.make_default_plan(plan=selectors.plan(pk))
        return Response(wire.PlanOutput(row).data)

    @extend_schema(request=None, responses=wire.PlanOutput)
    @action(detail=True, methods=["post"], url_path="clear-default")
    def clear_default(self, request: Request, pk: int) -> Response:
        """Let a plan hold only for the tenants that are on it.

        Those on no plan have then no limits but their own, until another plan is made
        the default.
        """
        row = services.clear_default_plan(plan=selectors.plan(pk))
        return Response(wire.PlanOutput(row).data)
