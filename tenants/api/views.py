"""The management API of tenants, projects and API keys: parse, one call, render."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import OperatorViewSet
from tenants import selectors, services
from tenants.api import serializers as wire


class TenantViewSet(OperatorViewSet):
    """Who pays."""

    noun = "tenant"

    @extend_schema(
        parameters=[wire.TenantFilters], responses=wire.TenantOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List tenants, newest first."""
        rows = selectors.tenants(**self.parse_query(wire.TenantFilters))
        return self.page(rows, wire.TenantOutput)

    @extend_schema(request=wire.TenantCreate, responses={201: wire.TenantOutput})
    def create(self, request: Request) -> Response:
        """Create a tenant, with a project named `default`."""
        row = services.create_tenant(**self.parse(wire.TenantCreate))
        return Response(wire.TenantOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.TenantOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one tenant."""
        return Response(wire.TenantOutput(selectors.tenant(pk)).data)

    @extend_schema(request=wire.TenantUpdate, responses=wire.TenantOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change a tenant's name, zone or billing address."""
        row = services.update_tenant(
            tenant=selectors.tenant(pk), **self.parse(wire.TenantUpdate)
        )
        return Response(wire.TenantOutput(row).data)

    @extend_schema(request=None, responses=wire.TenantOutput)
    @action(detail=True, methods=["post"])
    def suspend(self, request: Request, pk: int) -> Response:
        """Refuse every call of the tenant until it is restored."""
        row = services.suspend_tenant(tenant=selectors.tenant(pk))
        return Response(wire.TenantOutput(row).data)

    @extend_schema(request=None, responses=wire.TenantOutput)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: int) -> Response:
        """Let a suspended tenant call again."""
        row = services.restore_tenant(tenant=selectors.tenant(pk))
        return Response(wire.TenantOutput(row).data)


class ProjectViewSet(OperatorViewSet):
    """Parts of a tenant's use."""

    noun = "project"

    @extend_schema(
        parameters=[wire.ProjectFilters], responses=wire.ProjectOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List projects, newest first."""
        rows = selectors.projects(**self.parse_query(wire.ProjectFilters))
        return self.page(rows, wire.ProjectOutput)

    @extend_schema(request=wire.ProjectCreate, responses={201: wire.ProjectOutput})
    def create(self, request: Request) -> Response:
        """Create a project of a tenant."""
        row = services.create_project(**self.parse(wire.ProjectCreate))
        return Response(wire.ProjectOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.ProjectOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one project."""
        return Response(wire.ProjectOutput(selectors.project(pk)).data)

    @extend_schema(request=wire.ProjectUpdate, responses=wire.ProjectOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Rename a project."""
        row = services.rename_project(
            project=selectors.project(pk), **self.parse(wire.ProjectUpdate)
        )
        return Response(wire.ProjectOutput(row).data)

    @extend_schema(request=None, responses=wire.ProjectOutput)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: int) -> Response:
        """Close a project: its keys stop opening the door, its usage stays."""
        row = services.archive_project(
            project=selectors.project(pk), now=timezone.now()
        )
        return Response(wire.ProjectOutput(row).data)


class KeyViewSet(OperatorViewSet):
    """API keys that call for a project."""

    noun = "key"

    @extend_schema(parameters=[wire.KeyFilters], responses=wire.KeyOutput(many=True))
    def list(self, request: Request) -> Response:
        """List API keys, newest first; their texts are nowhere to be read."""
        filters = self.parse_query(wire.KeyFilters)
        rows = selectors.api_keys(now=timezone.now(), **filters)
        return self.page(rows, wire.KeyOutput)

    @extend_schema(request=wire.KeyCreate, responses={201: wire.IssuedKeyOutput})
    def create(self, request: Request) -> Response:
        """Issue an API key; only this answer holds its text."""
        values = self.parse(wire.KeyCreate)
        values.setdefault("tenant", values["project"].tenant)
        issued = services.issue_key(**values)
        shown = wire.IssuedKeyOutput(issued.row, context={"issued": issued})
        # Not even the caller's own cache may keep a key.
        headers = {"Cache-Control": "no-store"}
        return Response(shown.data, status.HTTP_201_CREATED, headers=headers)

    @extend_schema(responses=wire.KeyOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one API key, but not its text."""
        return Response(wire.KeyOutput(selectors.api_key(pk)).data)

    @extend_schema(request=wire.KeyUpdate, responses=wire.KeyOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Rename an API key or move its expiry."""
        row = services.update_key(
            api_key=selectors.api_key(pk), **self.parse(wire.KeyUpdate)
        )
        return Response(wire.KeyOutput(row).data)

    @extend_schema(request=None, responses=wire.KeyOutput)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: int) -> Response:
        """Revoke an API key for good; every gateway knows within a second."""
        row = services.revoke_key(api_key=selectors.api_key(pk), now=timezone.now())
        return Response(wire.KeyOutput(row).data)
