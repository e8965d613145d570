"""The management API of served models and replicas: parse, one call, render."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from inference.control import selectors, services
from inference.control.api import serializers as wire
from kit.drf.views import OperatorViewSet


class ModelViewSet(OperatorViewSet):
    """What callers may ask for."""

    noun = "model"

    @extend_schema(
        parameters=[wire.ModelFilters], responses=wire.ModelOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List served models, newest first."""
        rows = selectors.served_models(**self.parse_query(wire.ModelFilters))
        return self.page(rows, wire.ModelOutput)

    @extend_schema(request=wire.ModelCreate, responses={201: wire.ModelOutput})
    def create(self, request: Request) -> Response:
        """Create a served model; it is offered once a price is in force."""
        row = services.create_model(**self.parse(wire.ModelCreate))
        return Response(wire.ModelOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.ModelOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one served model."""
        return Response(wire.ModelOutput(selectors.served_model(pk)).data)

    @extend_schema(request=wire.ModelUpdate, responses=wire.ModelOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change a served model's description or lengths."""
        row = services.update_model(
            model=selectors.served_model(pk), **self.parse(wire.ModelUpdate)
        )
        return Response(wire.ModelOutput(row).data)

    @extend_schema(request=None, responses=wire.ModelOutput)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: int) -> Response:
        """Offer a served model to callers."""
        row = services.enable_model(model=selectors.served_model(pk))
        return Response(wire.ModelOutput(row).data)

    @extend_schema(request=None, responses=wire.ModelOutput)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: int) -> Response:
        """Stop offering a served model; running answers end as they will."""
        row = services.disable_model(model=selectors.served_model(pk))
        return Response(wire.ModelOutput(row).data)


class ReplicaViewSet(OperatorViewSet):
    """Engine processes that serve a model."""

    noun = "replica"

    @extend_schema(
        parameters=[wire.ReplicaFilters], responses=wire.ReplicaOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List replicas, newest first."""
        rows = selectors.replicas(**self.parse_query(wire.ReplicaFilters))
        return self.page(rows, wire.ReplicaOutput)

    @extend_schema(request=wire.ReplicaCreate, responses={201: wire.ReplicaOutput})
    def create(self, request: Request) -> Response:
        """Add an active replica that serves a model."""
        row = services.add_replica(**self.parse(wire.ReplicaCreate))
        return Response(wire.ReplicaOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.ReplicaOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one replica."""
        return Response(wire.ReplicaOutput(selectors.replica(pk)).data)

    @extend_schema(request=wire.ReplicaUpdate, responses=wire.ReplicaOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change how a replica is reached."""
        row = services.update_replica(
            replica=selectors.replica(pk), **self.parse(wire.ReplicaUpdate)
        )
        return Response(wire.ReplicaOutput(row).data)

    @extend_schema(request=None, responses=wire.ReplicaOutput)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, pk: int) -> Response:
        """Send requests to a replica."""
        row = services.activate_replica(replica=selectors.replica(pk))
        return Response(wire.ReplicaOutput(row).data)

    @extend_schema(request=None, responses=wire.ReplicaOutput)
    @action(detail=True, methods=["post"])
    def drain(self, request: Request, pk: int) -> Response:
        """Send no new request to a replica and let its running ones end."""
        row = services.drain_replica(replica=selectors.replica(pk))
        return Response(wire.ReplicaOutput(row).data)

    @extend_schema(request=None, responses=wire.ReplicaOutput)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: int) -> Response:
        """Take a replica out of service."""
        row = services.disable_replica(replica=selectors.replica(pk))
        return Response(wire.ReplicaOutput(row).data)
