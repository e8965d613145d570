"""Members over HTTP: parse, one call, render."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from tenants import selectors, services
from tenants.api.serializers import members as wire
from tenants.models import Tenant


class MemberViewSet(ManagementViewSet):
    """People of a tenant."""

    noun = "member"
    conflicting = ("partial_update", "remove")
    # As the services do: whoever changes members takes the tenant's turn.
    locks = Tenant
    lock_by: ClassVar = {"pk": "members__pk"}
    scopes: ClassVar = {
        "list": Scope.MEMBERS_READ,
        "retrieve": Scope.MEMBERS_READ,
        "partial_update": Scope.MEMBERS_WRITE,
        "remove": Scope.MEMBERS_WRITE,
    }

    @extend_schema(
        parameters=[wire.MemberFilters], responses=wire.MemberOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List members, newest first.

        Removed ones are listed too, unless `removed=false`.
        """
        filters = self.parse_query(wire.MemberFilters)
        rows = selectors.members(project_ids=self.actor.project_ids, **filters)
        return self.page(rows, wire.MemberOutput)

    @extend_schema(responses=wire.MemberOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one member.

        `removed_at` tells whether the person still has the place.
        """
        return Response(wire.MemberOutput(selectors.member(pk)).data)

    @extend_schema(request=wire.MemberUpdate, responses=wire.MemberOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change a member's role or projects.

        You can give no role that may do what you may not, and only owners change
        owners. API keys of the member that the new role and projects do not cover are
        revoked for good; tokens may do from now on what the new role may. A tenant
        keeps at least one owner.
        """
        services.update_member(
            member=selectors.member(pk),
            now=timezone.now(),
            **self.parse(wire.MemberUpdate),
        )
        return Response(wire.MemberOutput(selectors.member(pk)).data)

    @extend_schema(request=None, responses=wire.MemberOutput)
    @action(detail=True, methods=["post"])
    def remove(self, request: Request, pk: int) -> Response:
        """Take a member out of the tenant.

        The member's own API keys and tokens are revoked for good, and invitations that
        the member sent and nobody took. Removing twice keeps the first instant. A
        tenant keeps at least one owner.
        """
        services.remove_member(member=selectors.member(pk), now=timezone.now())
        return Response(wire.MemberOutput(selectors.member(pk)).data)
