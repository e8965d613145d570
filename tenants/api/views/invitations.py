"""Invitations over HTTP: parse, one call, render."""

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
from tenants.api.meaning import tenant_meant
from tenants.api.serializers import invitations as wire
from tenants.models import Tenant


class InvitationViewSet(ManagementViewSet):
    """Places offered to people."""

    noun = "invitation"
    conflicting = ("create", "resend", "revoke")
    # As the services do: whoever changes members takes the tenant's turn.
    locks = Tenant
    lock_by: ClassVar = {"pk": "invitations__pk"}
    scopes: ClassVar = {
        "list": Scope.MEMBERS_READ,
        "create": Scope.MEMBERS_WRITE,
        "retrieve": Scope.MEMBERS_READ,
        "resend": Scope.MEMBERS_WRITE,
        "revoke": Scope.MEMBERS_WRITE,
    }

    @extend_schema(
        parameters=[wire.InvitationFilters],
        responses=wire.InvitationOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        """List invitations, newest first.

        Those that were taken, revoked or ran out are listed too, unless `state=open`.
        """
        filters = self.parse_query(wire.InvitationFilters)
        rows = selectors.invitations(now=timezone.now(), **filters)
        return self.page(rows, wire.InvitationOutput)

    @extend_schema(
        request=wire.InvitationCreate, responses={201: wire.InvitationOutput}
    )
    def create(self, request: Request) -> Response:
        """Invite an address; the link is in the mail and nowhere else.

        It works once, within seven days, for an account of that address. You can offer
        no role that may do what you may not, and only owners make owners. An address
        has one open invitation: resend or revoke it.
        """
        values, now = self.parse(wire.InvitationCreate), timezone.now()
        tenant = tenant_meant(self.actor, values.pop("tenant", None))
        row = services.invite(tenant=tenant, now=now, **values)
        return self._shown(row.pk, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.InvitationOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one invitation, but not its link.

        `state` tells whether the link still opens the place.
        """
        return self._shown(pk)

    @extend_schema(request=None, responses=wire.InvitationOutput)
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: int) -> Response:
        """Send another link, valid for seven days; the one before is dead.

        An expired invitation opens again by it.
        """
        now = timezone.now()
        found = selectors.invitation(pk, now=now)
        services.resend_invitation(invitation=found, now=now)
        return self._shown(pk)

    @extend_schema(request=None, responses=wire.InvitationOutput)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: int) -> Response:
        """Take an invitation back; its link opens nothing any more.

        Revoking twice keeps the first instant. One that was taken is a member: remove
        the member instead.
        """
        now = timezone.now()
        found = selectors.invitation(pk, now=now)
        services.revoke_invitation(invitation=found, now=now)
        return self._shown(pk)

    def _shown(self, pk: int, code: int = status.HTTP_200_OK) -> Response:
        row = selectors.invitation(pk, now=timezone.now())
        return Response(wire.InvitationOutput(row).data, code)
