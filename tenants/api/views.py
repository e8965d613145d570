"""The management API of tenants, projects and API keys: parse, one call, render."""

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
from tenants.api import serializers as wire


class TenantViewSet(ManagementViewSet):
    """Who pays."""

    noun = "tenant"
    conflicting = ("create",)
    scopes: ClassVar = {
        "list": Scope.TENANT_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.TENANT_READ,
        "partial_update": Scope.TENANT_WRITE,
        "suspend": Scope.OPERATE_WRITE,
        "restore": Scope.OPERATE_WRITE,
    }

    @extend_schema(
        parameters=[wire.TenantFilters], responses=wire.TenantOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List tenants, newest first.

        Suspended ones are listed too. `slug` finds one by its name in addresses.
        """
        rows = selectors.tenants(**self.parse_query(wire.TenantFilters))
        return self.page(rows, wire.TenantOutput)

    @extend_schema(request=wire.TenantCreate, responses={201: wire.TenantOutput})
    def create(self, request: Request) -> Response:
        """Create a tenant, with a project named `default`.

        Its slug and its currency are for good: invoices name them. It can call once it
        has an API key and a price book of its currency is in force.
        """
        row = services.create_tenant(**self.parse(wire.TenantCreate))
        return Response(wire.TenantOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.TenantOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one tenant.

        Its `state` tells whether it may call.
        """
        return Response(wire.TenantOutput(selectors.tenant(pk)).data)

    @extend_schema(request=wire.TenantUpdate, responses=wire.TenantOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change a tenant's name, zone or billing address.

        Fields that are left out stay as they are. Billing days that are already laid
        out keep their instants: a new zone takes effect with the next billing period.
        """
        row = services.update_tenant(
            tenant=selectors.tenant(pk), **self.parse(wire.TenantUpdate)
        )
        return Response(wire.TenantOutput(row).data)

    @extend_schema(request=None, responses=wire.TenantOutput)
    @action(detail=True, methods=["post"])
    def suspend(self, request: Request, pk: int) -> Response:
        """Refuse every call of the tenant until it is restored.

        Every gateway knows within a second; running answers end as they will. Usage,
        invoices and keys stay. Suspending twice changes nothing more.
        """
        row = services.suspend_tenant(tenant=selectors.tenant(pk))
        return Response(wire.TenantOutput(row).data)

    @extend_schema(request=None, responses=wire.TenantOutput)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: int) -> Response:
        """Let a suspended tenant call again.

        Its keys open the door again, but for revoked and expired ones.
        """
        row = services.restore_tenant(tenant=selectors.tenant(pk))
        return Response(wire.TenantOutput(row).data)


class ProjectViewSet(ManagementViewSet):
    """Parts of a tenant's use."""

    noun = "project"
    conflicting = ("create",)
    scopes: ClassVar = {
        "list": Scope.PROJECTS_READ,
        "create": Scope.PROJECTS_WRITE,
        "retrieve": Scope.PROJECTS_READ,
        "partial_update": Scope.PROJECTS_WRITE,
        "archive": Scope.PROJECTS_WRITE,
    }

    @extend_schema(
        parameters=[wire.ProjectFilters], responses=wire.ProjectOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List projects, newest first.

        Archived ones are listed too, unless `archived=false`.
        """
        rows = selectors.projects(**self.parse_query(wire.ProjectFilters))
        return self.page(rows, wire.ProjectOutput)

    @extend_schema(request=wire.ProjectCreate, responses={201: wire.ProjectOutput})
    def create(self, request: Request) -> Response:
        """Create a project of a tenant.

        Its slug is unique within the tenant, and for good.
        """
        row = services.create_project(**self.parse(wire.ProjectCreate))
        return Response(wire.ProjectOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.ProjectOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one project.

        `archived_at` tells whether its keys still open the door.
        """
        return Response(wire.ProjectOutput(selectors.project(pk)).data)

    @extend_schema(request=wire.ProjectUpdate, responses=wire.ProjectOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Rename a project.

        Its slug stays, so that reports of other months still fit.
        """
        row = services.rename_project(
            project=selectors.project(pk), **self.parse(wire.ProjectUpdate)
        )
        return Response(wire.ProjectOutput(row).data)

    @extend_schema(request=None, responses=wire.ProjectOutput)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: int) -> Response:
        """Close a project: its keys stop opening the door, its usage stays.

        For good: an archived project cannot be opened again. Archiving twice keeps the
        first instant.
        """
        row = services.archive_project(
            project=selectors.project(pk), now=timezone.now()
        )
        return Response(wire.ProjectOutput(row).data)


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
