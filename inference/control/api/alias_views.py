"""The management API of aliases: parse, one call, render."""

from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from inference.control import selectors, services
from inference.control.api.serializers import aliases as wire
from inference.control.models import ModelAlias
from kit.drf.views import ManagementViewSet
from kit.errors import NotFound
from kit.scopes import Scope


class AliasViewSet(ManagementViewSet):
    """Other names by which callers find a served model."""

    noun = "model_alias"
    conflicting = ("create",)
    locks = ModelAlias
    scopes: ClassVar = {
        "list": Scope.CATALOG_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.CATALOG_READ,
        "partial_update": Scope.OPERATE_WRITE,
        "enable": Scope.OPERATE_WRITE,
        "disable": Scope.OPERATE_WRITE,
    }

    @extend_schema(
        parameters=[wire.AliasFilters], responses=wire.AliasOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List aliases, newest first.

        Tenants see those that lead to a model which is offered.
        """
        rows = selectors.aliases(**self.parse_query(wire.AliasFilters))
        return self.page(self._seen(rows), wire.AliasOutput)

    @extend_schema(request=wire.AliasCreate, responses={201: wire.AliasOutput})
    def create(self, request: Request) -> Response:
        """Give a served model another name to be called by.

        Limits, prices, the models that a key is kept to and usage know the served model
        alone, and answers name it.
        """
        row = services.create_alias(**self.parse(wire.AliasCreate))
        return Response(wire.AliasOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.AliasOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one alias.

        `model` is the served model that it leads to.
        """
        row = self._seen(selectors.aliases()).filter(pk=pk).first()
        if row is None:
            raise NotFound(f"There is no alias {pk}.")
        return Response(wire.AliasOutput(row).data)

    @extend_schema(request=wire.AliasUpdate, responses=wire.AliasOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Let an alias lead to another served model.

        Every gateway knows within a second. Running requests stay with the model that
        they began with.
        """
        row = services.repoint_alias(
            alias=selectors.alias(pk), **self.parse(wire.AliasUpdate)
        )
        return Response(wire.AliasOutput(row).data)

    @extend_schema(request=None, responses=wire.AliasOutput)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: int) -> Response:
        """Let callers find a model by this alias.

        Every gateway knows within a second.
        """
        row = services.enable_alias(alias=selectors.alias(pk))
        return Response(wire.AliasOutput(row).data)

    @extend_schema(request=None, responses=wire.AliasOutput)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: int) -> Response:
        """Let an alias lead nowhere.

        Callers are told that there is no such model. The name stays taken.
        """
        row = services.disable_alias(alias=selectors.alias(pk))
        return Response(wire.AliasOutput(row).data)

    def _seen(self, rows: QuerySet[ModelAlias]) -> QuerySet[ModelAlias]:
        """Narrow aliases to those that the caller may know of."""
        if self.actor.is_operator:
            return rows
        return rows.filter(enabled=True, model__enabled=True)
