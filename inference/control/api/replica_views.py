"""The management API of replicas: parse, one call, render."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from inference.control import selectors, services
from inference.control.api.serializers import replicas as wire
from inference.control.models import Replica
from kit.drf.views import ManagementViewSet
from kit.scopes import Scope


class ReplicaViewSet(ManagementViewSet):
    """Engine processes that serve a model."""

    noun = "replica"
    conflicting = ("create",)
    locks = Replica
    scopes: ClassVar = {
        "list": Scope.OPERATE_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.OPERATE_READ,
        "partial_update": Scope.OPERATE_WRITE,
        "activate": Scope.OPERATE_WRITE,
        "drain": Scope.OPERATE_WRITE,
        "disable": Scope.OPERATE_WRITE,
    }

    @extend_schema(
        parameters=[wire.ReplicaFilters], responses=wire.ReplicaOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List replicas, newest first.

        Of a replica's credential only the name of its variable is known here.
        """
        rows = selectors.replicas(**self.parse_query(wire.ReplicaFilters))
        return self.page(rows, wire.ReplicaOutput)

    @extend_schema(request=wire.ReplicaCreate, responses={201: wire.ReplicaOutput})
    def create(self, request: Request) -> Response:
        """Add an active replica that serves a model.

        Gateways send it requests at once, `slots` of them at a time, by the model's
        policy. The engine's key stays in the gateways' environment, in the variable
        named by `credential`.
        """
        row = services.add_replica(**self.parse(wire.ReplicaCreate))
        return Response(wire.ReplicaOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.ReplicaOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one replica.

        `state` tells whether it is sent requests.
        """
        return Response(wire.ReplicaOutput(selectors.replica(pk)).data)

    @extend_schema(request=wire.ReplicaUpdate, responses=wire.ReplicaOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change how a replica is reached, and what it is given.

        Fields that are left out stay as they are. Running requests stay where they are;
        new ones go where it is reached now.
        """
        row = services.update_replica(
            replica=selectors.replica(pk), **self.parse(wire.ReplicaUpdate)
        )
        return Response(wire.ReplicaOutput(row).data)

    @extend_schema(request=None, responses=wire.ReplicaOutput)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, pk: int) -> Response:
        """Send requests to a replica.

        Every gateway knows within a second.
        """
        row = services.activate_replica(replica=selectors.replica(pk))
        return Response(wire.ReplicaOutput(row).data)

    @extend_schema(request=None, responses=wire.ReplicaOutput)
    @action(detail=True, methods=["post"])
    def drain(self, request: Request, pk: int) -> Response:
        """Send no new request to a replica and let its running ones end.

        For a restart of the engine: nothing that runs on it is cut off.
        """
        row = services.drain_replica(replica=selectors.replica(pk))
        return Response(wire.ReplicaOutput(row).data)

    @extend_schema(request=None, responses=wire.ReplicaOutput)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: int) -> Response:
        """Take a replica out of service.

        It is sent nothing until it is activated again; running requests end as they
        will.
        """
        row = services.disable_replica(replica=selectors.replica(pk))
        return Response(wire.ReplicaOutput(row).data)
