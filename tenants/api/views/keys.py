"""API keys over HTTP: parse, one call, render."""

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from tenants import rights, selectors, services
from tenants.api.serializers import keys as wire
from tenants.models import ApiKey


class KeyViewSet(ManagementViewSet):
    """API keys that call for a project."""

    noun = "key"
    locks = ApiKey
    volatile = ("last_used_at", "last_used_model")
    conflicting = ("create", "partial_update", "disable", "enable", "rotate")
    scopes: ClassVar = {
        "list": Scope.KEYS_READ,
        "create": Scope.KEYS_WRITE,
        "retrieve": Scope.KEYS_READ,
        "partial_update": Scope.KEYS_WRITE,
        "disable": Scope.KEYS_WRITE,
        "enable": Scope.KEYS_WRITE,
        "rotate": Scope.KEYS_WRITE,
        "revoke": Scope.KEYS_WRITE,
    }

    @extend_schema(parameters=[wire.KeyFilters], responses=wire.KeyOutput(many=True))
    def list(self, request: Request) -> Response:
        """List API keys, newest first; their texts are nowhere to be read.

        `shown` is what may be shown of a key, to tell it from others. Revoked and
        expired keys are listed too, unless `active=true`. Developers see the keys of
        their projects.
        """
        filters = self.parse_query(wire.KeyFilters)
        rows = selectors.api_keys(now=timezone.now(), **filters)
        return self.page(rows, wire.KeyOutput)

    @extend_schema(request=wire.KeyCreate, responses={201: wire.IssuedKeyOutput})
    def create(self, request: Request) -> Response:
        """Issue an API key; only this answer holds its text.

        What is kept is a hash: a key that was not noted down is to be revoked and
        issued anew. It opens the door for its project at once, until it expires or is
        revoked. It never holds more than you do; a member's own ends with the
        membership.
        """
        values = self.parse(wire.KeyCreate)
        values.setdefault("tenant", values["project"].tenant)
        if "member" not in values:
            values["member"] = rights.acting_member()
        return _issued(services.issue_key(**values))

    @extend_schema(responses=wire.KeyOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one API key, but not its text.

        `state` tells whether it opens the door, and why not.
        """
        return Response(wire.KeyOutput(selectors.api_key(pk)).data)

    @extend_schema(request=wire.KeyUpdate, responses=wire.KeyOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Rename an API key, move its expiry, narrow or widen what it may do.

        Fields that are left out stay as they are. Without an expiry, which is `null`,
        it stays valid until it is revoked. Scopes that are added must be yours. Every
        gateway knows within a second. A revoked key cannot change any more, nor can one
        that was replaced last longer.
        """
        row = services.update_key(
            api_key=selectors.api_key(pk), **self.parse(wire.KeyUpdate)
        )
        return Response(wire.KeyOutput(row).data)

    @extend_schema(request=None, responses=wire.KeyOutput)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: int) -> Response:
        """Refuse an API key until it is enabled again.

        Every gateway knows within a second. Disabling twice keeps the first instant.
        """
        row = services.disable_key(api_key=selectors.api_key(pk), now=timezone.now())
        return Response(wire.KeyOutput(row).data)

    @extend_schema(request=None, responses=wire.KeyOutput)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: int) -> Response:
        """Let a disabled API key open the door again.

        An expiry that passed meanwhile still holds. Enabling twice changes nothing.
        """
        row = services.enable_key(api_key=selectors.api_key(pk))
        return Response(wire.KeyOutput(row).data)

    @extend_schema(request=wire.KeyRotate, responses={201: wire.IssuedKeyOutput})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: int) -> Response:
        """Replace an API key by a new one with the same rights; shown only here.

        Both work during the overlap, then the old one expires: 24 hours unless
        `overlap_s` says otherwise, at most 7 days, and 0 ends it at once. A key is
        replaced once: the second time is a conflict that names the newer key.
        """
        issued = services.rotate_key(
            api_key=selectors.api_key(pk),
            now=timezone.now(),
            **self.parse(wire.KeyRotate),
        )
        return _issued(issued)

    @extend_schema(request=None, responses=wire.KeyOutput)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: int) -> Response:
        """Revoke an API key for good; every gateway knows within a second.

        Running answers end as they will, and are billed. Revoking twice keeps the first
        instant.
        """
        row = services.revoke_key(api_key=selectors.api_key(pk), now=timezone.now())
        return Response(wire.KeyOutput(row).data)


def _issued(issued: services.IssuedKey) -> Response:
    """Answer with the text of a key, which not even the caller's cache may keep."""
    shown: Any = wire.IssuedKeyOutput(issued.row, context={"issued": issued})
    headers = {"Cache-Control": "no-store"}
    return Response(shown.data, status.HTTP_201_CREATED, headers=headers)
