"""The audit over HTTP: parse, one call, render."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from tenants import selectors
from tenants.api.serializers import audit as wire


class AuditViewSet(ManagementViewSet):
    """Who changed what."""

    noun = "audit_entry"
    scopes: ClassVar = {"list": Scope.AUDIT_READ}

    @extend_schema(
        operation_id="list_audit_entries",
        parameters=[wire.AuditFilters],
        responses=wire.AuditEntryOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        """List changes, newest first: who made which, of what, and when.

        The entries of a tenant are one chain, numbered by `seq`, those of the
        installation another: each holds the digest of the one before. Who acted is
        shown as it is called now, for names are kept outside of the chain and may be
        forgotten. Operators' names are not shown to tenants.
        """
        filters = self.parse_query(wire.AuditFilters)
        # A chain has a place of its own; without it all would be looked through.
        filters.setdefault("tenant_id", self.actor.tenant_id)
        found = self.paginate_queryset(selectors.audit_entries(**filters)) or []
        context = {
            "actors": selectors.audit_actors(found),
            "details": selectors.audit_details(found),
        }
        shown = wire.AuditEntryOutput(found, many=True, context=context)
        return self.get_paginated_response(shown.data)
