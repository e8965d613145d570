"""The management API of served models: parse, one call, render."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from inference.control import retiring, selectors, services
from inference.control.api.serializers import models as wire
from inference.control.models import ServedModel
from kit.drf.views import ManagementViewSet
from kit.scopes import Scope


class ModelViewSet(ManagementViewSet):
    """What callers may ask for."""

    noun = "model"
    conflicting = ("create",)
    locks = ServedModel
    scopes: ClassVar = {
        "list": Scope.CATALOG_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.CATALOG_READ,
        "partial_update": Scope.OPERATE_WRITE,
        "enable": Scope.OPERATE_WRITE,
        "disable": Scope.OPERATE_WRITE,
        "retire": Scope.OPERATE_WRITE,
        "call_off_retirement": Scope.OPERATE_WRITE,
    }

    @extend_schema(
        parameters=[wire.ModelFilters], responses=wire.ModelOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List served models, newest first.

        Disabled ones are listed too, unless `enabled=true`. Tenants see those that are
        offered, and of each what concerns callers: how it is served is null.
        """
        filters = self.parse_query(wire.ModelFilters)
        rows = selectors.served_models(**filters)
        if not self.actor.is_operator:
            rows = rows.filter(enabled=True)
        return self.page(rows, wire.ModelOutput)

    @extend_schema(request=wire.ModelCreate, responses={201: wire.ModelOutput})
    def create(self, request: Request) -> Response:
        """Create a served model; it is offered once a price is in force.

        Its name is what callers send as `model` and what prices refer to, so it is for
        good. It answers once a replica serves it.
        """
        row = services.create_model(**self.parse(wire.ModelCreate))
        return Response(wire.ModelOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.ModelOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one served model.

        `enabled` tells whether it is offered to callers.
        """
        offered = None if self.actor.is_operator else True
        row = selectors.served_model(pk, enabled=offered)
        return Response(wire.ModelOutput(row).data)

    @extend_schema(request=wire.ModelUpdate, responses=wire.ModelOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change a served model's settings.

        Fields that are left out stay as they are. A context may not become shorter than
        the longest answer allowed. `fallbacks` are put in the place of those it has; a
        fallback serves one of its tasks, and by other replicas.
        """
        row = services.update_model(
            model=selectors.served_model(pk), **self.parse(wire.ModelUpdate)
        )
        return Response(wire.ModelOutput(row).data)

    @extend_schema(request=None, responses=wire.ModelOutput)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: int) -> Response:
        """Offer a served model to callers.

        Every gateway knows within a second.
        """
        row = services.enable_model(model=selectors.served_model(pk))
        return Response(wire.ModelOutput(row).data)

    @extend_schema(request=None, responses=wire.ModelOutput)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: int) -> Response:
        """Stop offering a served model; running answers end as they will.

        Callers are told that there is no such model. Prices and usage stay.
        """
        row = services.disable_model(model=selectors.served_model(pk))
        return Response(wire.ModelOutput(row).data)

    @extend_schema(request=wire.RetirementPlan, responses=wire.ModelOutput)
    @action(detail=True, methods=["post"])
    def retire(self, request: Request, pk: int) -> Response:
        """Serve a model no longer from an instant on; in the place of what was planned.

        From then on callers are told that it retired, and what to call instead; until
        then tenants that use it are told 90, 30 and 7 days before.
        """
        row = retiring.plan_retirement(
            model=selectors.served_model(pk),
            now=timezone.now(),
            **self.parse(wire.RetirementPlan),
        )
        return Response(wire.ModelOutput(row).data)

    @extend_schema(request=None, responses=wire.ModelOutput)
    @action(detail=True, methods=["post"], url_path="call-off-retirement")
    def call_off_retirement(self, request: Request, pk: int) -> Response:
        """Serve a model for as long as it is enabled, also one that has retired."""
        row = retiring.call_off_retirement(model=selectors.served_model(pk))
        return Response(wire.ModelOutput(row).data)
