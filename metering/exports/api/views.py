"""Exports over HTTP: ask for a file, see whether it is there, fetch it."""

from typing import ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.files import FileRenderer, file_answer
from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from metering.exports import selectors, services
from metering.exports.api import serializers as wire
from metering.exports.api.examples import CONTENT
from metering.exports.models import Export
from tenants.api.meaning import tenant_meant

CSV = "text/csv"


class ExportViewSet(ManagementViewSet):
    """Files of usage, ledger entries and invoice lines."""

    noun = "export"
    conflicting = ("create", "content")
    volatile = ("state", "row_count", "byte_count", "sha256", "complete_to", "made_at")
    scopes: ClassVar = {
        "list": Scope.BILLING_READ,
        "create": Scope.BILLING_READ,
        "retrieve": Scope.BILLING_READ,
        "content": Scope.BILLING_READ,
    }

    @extend_schema(
        parameters=[wire.ExportFilters], responses=wire.ExportOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List exports, newest first."""
        filters = self.parse_query(wire.ExportFilters)
        return self.page(selectors.exports(**filters), wire.ExportOutput)

    @extend_schema(request=wire.ExportCreate, responses={201: wire.ExportOutput})
    def create(self, request: Request) -> Response:
        """Ask for a file of usage, ledger entries or invoice lines.

        It is made in the background: read the export until its `state` is `ready`, then
        fetch its `content`. It shows the books as of one moment.
        """
        values = self.parse(wire.ExportCreate)
        tenant = values.pop("tenant", None)
        if self.actor.tenant_id is not None:
            tenant = tenant_meant(self.actor, tenant)
        row = services.ask_for_export(tenant=tenant, **values)
        return Response(wire.ExportOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.ExportOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show an export: whether it is ready, its row count and its hash.

        All that was used before `complete_to` is in a file of usage.
        """
        return Response(wire.ExportOutput(selectors.export(pk)).data)

    @extend_schema(
        operation_id="download_export",
        responses={(200, CSV): OpenApiTypes.STR},
        examples=[
            OpenApiExample(
                "No entries", value=CONTENT, media_type=CSV, response_only=True
            )
        ],
    )
    @action(detail=True, methods=["get"], renderer_classes=[FileRenderer.of(CSV)])
    def content(self, request: Request, pk: int) -> Response:
        """Fetch the file of an export that is ready.

        `Repr-Digest` is the hash of all bytes, `x-tollgate-rows` the number of rows
        without the header.
        """
        row: Export = selectors.require_content(selectors.export(pk))
        return file_answer(
            request,
            selectors.content(row, reader=self.actor.tenant_id),
            content_type=CSV,
            name=row.file_name,
            sha256=row.sha256,
            byte_count=row.byte_count or 0,
            headers={"x-tollgate-rows": str(row.row_count)},
        )
