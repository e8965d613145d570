"""Webhook endpoints and their deliveries over HTTP: parse, one call, render."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from metering.alerts import selectors, services
from metering.alerts.api import serializers as wire
from metering.alerts.models import Endpoint
from tenants.api.meaning import tenant_meant


class EndpointViewSet(ManagementViewSet):
    """Addresses that are called with events."""

    noun = "webhook_endpoint"
    locks = Endpoint
    volatile = ("state", "failing_since", "last_succeeded_at")
    conflicting = (
        "create",
        "partial_update",
        "rotate",
        "pause",
        "resume",
        "remove",
        "test",
    )
    scopes: ClassVar = {
        "list": Scope.WEBHOOKS_READ,
        "create": Scope.WEBHOOKS_WRITE,
        "retrieve": Scope.WEBHOOKS_READ,
        "partial_update": Scope.WEBHOOKS_WRITE,
        "rotate": Scope.WEBHOOKS_WRITE,
        "pause": Scope.WEBHOOKS_WRITE,
        "resume": Scope.WEBHOOKS_WRITE,
        "remove": Scope.WEBHOOKS_WRITE,
        "test": Scope.WEBHOOKS_WRITE,
    }

    @extend_schema(
        parameters=[wire.EndpointFilters], responses=wire.EndpointOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List webhook endpoints, newest first; their secrets are nowhere to be read.

        Removed ones are listed too, unless a `state` is named.
        """
        filters = self.parse_query(wire.EndpointFilters)
        return self.page(selectors.endpoints(**filters), wire.EndpointOutput)

    @extend_schema(
        request=wire.EndpointCreate, responses={201: wire.IssuedEndpointOutput}
    )
    def create(self, request: Request) -> Response:
        """Make a webhook endpoint; only this answer holds its secret.

        It is called by https, at public addresses alone, and gets the events of its
        tenant. One without a tenant is the installation's and gets everybody's: that
        takes an operator.
        """
        values = self.parse(wire.EndpointCreate)
        tenant = values.pop("tenant", None)
        if self.actor.tenant_id is not None:
            tenant = tenant_meant(self.actor, tenant)
        return _issued(services.create_endpoint(tenant=tenant, **values))

    @extend_schema(responses=wire.EndpointOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one webhook endpoint, but not its secret.

        `failing_since` tells since when it has taken nothing; for three days of that it
        is paused.
        """
        return _shown(selectors.endpoint(pk))

    @extend_schema(request=wire.EndpointUpdate, responses=wire.EndpointOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Rename an endpoint, move it, choose other events for it.

        What waits for it goes to the new address.
        """
        row = services.update_endpoint(
            endpoint=selectors.endpoint(pk), **self.parse(wire.EndpointUpdate)
        )
        return _shown(row)

    @extend_schema(
        request=wire.EndpointRotate, responses={201: wire.IssuedEndpointOutput}
    )
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: int) -> Response:
        """Give an endpoint another secret; it is shown only here.

        During the overlap each call carries two signatures, by the new secret and by
        the former: 24 hours unless `overlap_s` says otherwise, at most 7 days.
        """
        issued = services.rotate_secret(
            endpoint=selectors.endpoint(pk),
            now=timezone.now(),
            **self.parse(wire.EndpointRotate),
        )
        return _issued(issued)

    @extend_schema(request=None, responses=wire.EndpointOutput)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: int) -> Response:
        """Send an endpoint nothing until it is resumed.

        Events that come meanwhile are not kept for it. Pausing twice keeps the first
        instant.
        """
        row = services.pause_endpoint(
            endpoint=selectors.endpoint(pk), now=timezone.now()
        )
        return _shown(row)

    @extend_schema(request=None, responses=wire.EndpointOutput)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: int) -> Response:
        """Call a paused endpoint again.

        What had waited when it was paused is sent, unless that is days ago.
        """
        return _shown(services.resume_endpoint(endpoint=selectors.endpoint(pk)))

    @extend_schema(request=None, responses=wire.EndpointOutput)
    @action(detail=True, methods=["post"])
    def remove(self, request: Request, pk: int) -> Response:
        """Call an endpoint never again, and forget its secret.

        What waits for it is dropped. Its deliveries can still be read.
        """
        row = services.remove_endpoint(
            endpoint=selectors.endpoint(pk), now=timezone.now()
        )
        return _shown(row)

    @extend_schema(request=None, responses={201: wire.DeliveryOutput})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: int) -> Response:
        """Send an endpoint a `webhook_endpoint.test`, signed as every event is.

        The answer is the delivery, still waiting: it goes out within seconds. Until
        then there is no other.
        """
        delivery = services.send_test(
            endpoint=selectors.endpoint(pk), now=timezone.now()
        )
        return Response(wire.DeliveryOutput(delivery).data, status.HTTP_201_CREATED)


class DeliveryViewSet(ManagementViewSet):
    """What was sent to an endpoint."""

    noun = "webhook_delivery"
    scopes: ClassVar = {"list": Scope.WEBHOOKS_READ}

    @extend_schema(
        operation_id="list_webhook_deliveries",
        parameters=[wire.DeliveryFilters],
        responses=wire.DeliveryOutput(many=True),
    )
    def list(self, request: Request, pk: int) -> Response:
        """List what was or is to be sent to an endpoint, newest first.

        An event has one delivery to an endpoint, tried again under the same id until
        the endpoint takes it or three days have passed. They are kept for 90 days.
        """
        filters = self.parse_query(wire.DeliveryFilters)
        rows = selectors.deliveries_to(selectors.endpoint(pk), **filters)
        return self.page(rows, wire.DeliveryOutput)


def _shown(row: Endpoint) -> Response:
    return Response(wire.EndpointOutput(row).data)


def _issued(issued: services.IssuedEndpoint) -> Response:
    """Answer with a secret, which not even the caller's cache may keep."""
    shown: Any = wire.IssuedEndpointOutput(issued.row, context={"issued": issued})
    headers = {"Cache-Control": "no-store"}
    return Response(shown.data, status.HTTP_201_CREATED, headers=headers)
