"""Management tokens over HTTP: parse, one call, render."""

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
from tenants.api.serializers import tokens as wire
from tenants.models import ManagementToken


class TokenViewSet(ManagementViewSet):
    """Tokens that call this API."""

    noun = "token"
    locks = ManagementToken
    volatile = ("last_used_at",)
    conflicting = ("partial_update", "rotate")
    scopes: ClassVar = {
        "list": Scope.TOKENS_READ,
        "create": Scope.TOKENS_WRITE,
        "retrieve": Scope.TOKENS_READ,
        "partial_update": Scope.TOKENS_WRITE,
        "rotate": Scope.TOKENS_WRITE,
        "revoke": Scope.TOKENS_WRITE,
    }

    @extend_schema(
        parameters=[wire.TokenFilters], responses=wire.TokenOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List management tokens, newest first; their texts are nowhere to be read.

        Owners and admins see all of the tenant, everybody else their own. Revoked and
        expired tokens are listed too, unless `active=true`.
        """
        filters = self.parse_query(wire.TokenFilters)
        rows = selectors.tokens(now=timezone.now(), **filters)
        return self.page(rows, wire.TokenOutput)

    @extend_schema(request=wire.TokenCreate, responses={201: wire.IssuedTokenOutput})
    def create(self, request: Request) -> Response:
        """Issue a management token; only this answer holds its text.

        What is kept is a hash. It never holds more than you do, and a member's own
        never more than the role: when the role changes, so does what it may do.
        """
        values = self.parse(wire.TokenCreate)
        member = rights.acting_member()
        if values.get("tenant") is None:
            values["tenant"] = self._own_tenant()
        values.setdefault("member", member)
        return _issued(services.issue_token(now=timezone.now(), **values))

    @extend_schema(responses=wire.TokenOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one management token, but not its text.

        `state` tells whether it opens this API.
        """
        return Response(wire.TokenOutput(selectors.token(pk)).data)

    @extend_schema(request=wire.TokenUpdate, responses=wire.TokenOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Rename a token, move its expiry or networks, take scopes away.

        Fields that are left out stay as they are. Scopes are not added: issue another
        token for that. A revoked token cannot change any more, nor can one that was
        replaced last longer.
        """
        row = services.update_token(
            token=selectors.token(pk),
            now=timezone.now(),
            **self.parse(wire.TokenUpdate),
        )
        return Response(wire.TokenOutput(row).data)

    @extend_schema(request=wire.TokenRotate, responses={201: wire.IssuedTokenOutput})
    @action(detail=True, methods=["post"])
    def rotate(self, request: Request, pk: int) -> Response:
        """Replace a token by a new one with the same rights; shown only here.

        Both work during the overlap, then the old one expires: 24 hours unless
        `overlap_s` says otherwise, at most 7 days, and 0 ends it at once. A token is
        replaced once: the second time is a conflict that names the newer token.
        """
        issued = services.rotate_token(
            token=selectors.token(pk),
            now=timezone.now(),
            **self.parse(wire.TokenRotate),
        )
        return _issued(issued)

    @extend_schema(request=None, responses=wire.TokenOutput)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: int) -> Response:
        """Revoke a token for good; the next request with it is refused.

        Revoking twice keeps the first instant. A token may revoke itself.
        """
        row = services.revoke_token(token=selectors.token(pk), now=timezone.now())
        return Response(wire.TokenOutput(row).data)

    def _own_tenant(self) -> Any:
        """Return the caller's tenant; None for operators."""
        tenant_id = self.actor.tenant_id
        return None if tenant_id is None else selectors.tenant(tenant_id)


def _issued(issued: services.IssuedToken) -> Response:
    """Answer with the text of a token, which not even the caller's cache may keep."""
    shown: Any = wire.IssuedTokenOutput(issued.row, context={"issued": issued})
    headers = {"Cache-Control": "no-store"}
    return Response(shown.data, status.HTTP_201_CREATED, headers=headers)
