"""Who calls, over HTTP."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kit.acting import Actor
from kit.drf.serializers import Filters
from kit.drf.views import ManagementView
from tenants.api.serializers import me as wire
from tenants.models import Member, Tenant


class MeView(ManagementView):
    """The caller itself."""

    scopes: ClassVar = {"get": None}

    @extend_schema(operation_id="read_me", responses=wire.MeOutput)
    def get(self, request: Request) -> Response:
        """Show who calls: its kind, its tenant and what it may do.

        What a member's own token may do is what both the token and the member's role
        allow now.
        """
        self.parse_query(Filters)
        return Response(wire.MeOutput(_shown(self.actor)).data)


def _shown(actor: Actor) -> dict[str, object]:
    projects = actor.project_ids
    tenants = Tenant.objects.filter(pk__in=[actor.tenant_id])
    members = Member.objects.filter(pk__in=[actor.member_id])
    return {
        "kind": str(actor.kind),
        "tenant": tenants.first(),
        "member": members.first(),
        "scopes": sorted(actor.scopes),
        "projects": None if projects is None else sorted(projects),
    }
