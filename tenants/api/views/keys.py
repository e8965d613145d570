"""API keys over HTTP: parse, one call, render."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from tenants import selectors, services
from tenants.api.serializers import keys as wire


class KeyViewSet(ManagementViewSet):
    """API keys that call for a project."""

    noun = "key"
    conflicting = ("partial_update",)
    scopes: ClassVar = {
        "list": Scope.KEYS_READ,
        "create": Scope.KEYS_WRITE,
        "retrieve": Scope.KEYS_READ,
        "partial_update": Scope.KEYS_WRITE,
        "revoke": Scope.KEYS_WRITE,
    }

    @extend_schema(parameters=[wire.KeyFilters], responses=wire.KeyOutput(many=True))
    def list(self, request: Request) -> Response:
        """List API keys, newest first; their texts are nowhere to be read.

        `shown` is what may be shown of a key, to tell it from others. Revoked and
        expired keys are listed too, unless `active=true`.
        """
        filters = self.parse_query(wire.KeyFilters)
        rows = selectors.api_keys(now=timezone.now(), **filters)
        return self.page(rows, wire.KeyOutput)

    @extend_schema(request=wire.KeyCreate, responses={201: wire.IssuedKeyOutput})
    def create(self, request: Request) -> Response:
        """Issue an API key; only this answer holds its text.

        What is kept is a hash: a key that was not noted down is to be revoked and
        issued anew. It opens the door for its project at once, until it expires or is
        revoked.
        """
        values = self.parse(wire.KeyCreate)
        values.setdefault("tenant", values["project"].tenant)
        issued = services.issue_key(**values)
        shown = wire.IssuedKeyOutput(issued.row, context={"issued": issued})
        # Not even the caller's own cache may keep a key.
        headers = {"Cache-Control": "no-store"}
        return Response(shown.data, status.HTTP_201_CREATED, headers=headers)

    @extend_schema(responses=wire.KeyOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one API key, but not its text.

        `revoked_at` and `expires_at` tell whether it opens the door.
        """
        return Response(wire.KeyOutput(selectors.api_key(pk)).data)

    @extend_schema(request=wire.KeyUpdate, responses=wire.KeyOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Rename an API key or move its expiry.

        Without an expiry, which is `null`, it stays valid until it is revoked. A
        revoked key cannot change any more.
        """
        row = services.update_key(
            api_key=selectors.api_key(pk), **self.parse(wire.KeyUpdate)
        )
        return Response(wire.KeyOutput(row).data)

    @extend_schema(request=None, responses=wire.KeyOutput)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: int) -> Response:
        """Revoke an API key for good; every gateway knows within a second.

        Running answers end as they will, and are billed. Revoking twice keeps the first
        instant.
        """
        row = services.revoke_key(api_key=selectors.api_key(pk), now=timezone.now())
        return Response(wire.KeyOutput(row).data)
