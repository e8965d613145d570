"""Projects over HTTP: parse, one call, render."""

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
from tenants.api.serializers import projects as wire
from tenants.models import Project


class ProjectViewSet(ManagementViewSet):
    """Parts of a tenant's use."""

    noun = "project"
    conflicting = ("create",)
    locks = Project
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
        """List projects, newest first; developers see those that they are in.

        Archived ones are listed too, unless `archived=false`.
        """
        filters = self.parse_query(wire.ProjectFilters)
        rows = selectors.projects(project_ids=self.actor.project_ids, **filters)
        return self.page(rows, wire.ProjectOutput)

    @extend_schema(request=wire.ProjectCreate, responses={201: wire.ProjectOutput})
    def create(self, request: Request) -> Response:
        """Create a project of a tenant.

        Its slug is unique within the tenant, and for good.
        """
        values = self.parse(wire.ProjectCreate)
        tenant = tenant_meant(self.actor, values.pop("tenant", None))
        row = services.create_project(tenant=tenant, **values)
        return Response(wire.ProjectOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.ProjectOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show one project.

        `archived_at` tells whether its keys still open the door.
        """
        return Response(wire.ProjectOutput(self._project(pk)).data)

    @extend_schema(request=wire.ProjectUpdate, responses=wire.ProjectOutput)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Rename a project.

        Its slug stays, so that reports of other months still fit.
        """
        row = services.rename_project(
            project=self._project(pk), **self.parse(wire.ProjectUpdate)
        )
        return Response(wire.ProjectOutput(row).data)

    @extend_schema(request=None, responses=wire.ProjectOutput)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: int) -> Response:
        """Close a project: its keys stop opening the door, its usage stays.

        For good: an archived project cannot be opened again. Archiving twice keeps the
        first instant.
        """
        row = services.archive_project(project=self._project(pk), now=timezone.now())
        return Response(wire.ProjectOutput(row).data)

    def _project(self, pk: int) -> Project:
        return selectors.project(pk, project_ids=self.actor.project_ids)
