"""Adjustments and re-ratings over HTTP: parse, make one call, render.

Operators write, tenants read what was set right for them. A write has its reference:
sent again, it answers with what it did the first time.
"""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from metering.adjustments import selectors, services
from metering.adjustments.adjusting import preview_adjustment
from metering.adjustments.api import rerating_serializers as rerating_wire
from metering.adjustments.api import serializers as wire
from metering.adjustments.previewing import preview_rerating
from metering.usage.selectors import database_now


class AdjustmentViewSet(ManagementViewSet):
    """What was set right of usage."""

    noun = "adjustment"
    conflicting = ("create",)
    volatile = ("net",)
    scopes: ClassVar = {
        "list": Scope.USAGE_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.USAGE_READ,
        "preview": Scope.OPERATE_READ,
    }

    @extend_schema(
        parameters=[wire.AdjustmentFilters],
        responses=wire.AdjustmentOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        """List what was set right, newest first.

        Requests that were voided or corrected, and for each tenant what a re-rating
        came to. Those of days already invoiced are named adjustments on a later one.
        """
        filters = self.parse_query(wire.AdjustmentFilters)
        return self.page(selectors.adjustments(**filters), wire.AdjustmentOutput)

    @extend_schema(request=wire.AdjustmentInput, responses={201: wire.AdjustmentOutput})
    def create(self, request: Request) -> Response:
        """Void a request, or set its tokens right.

        The request stays as it was metered; an event of its own makes up the
        difference, and budgets, reports and invoices follow. The same reference again,
        with the same terms, answers with the same adjustment.
        """
        asked = self.parse(wire.AdjustmentInput)
        row = services.adjust_event(
            wanted=wire.wanted(asked),
            reason=asked["reason"],
            reference=asked["reference"],
        )
        return Response(wire.AdjustmentOutput(row).data, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.AdjustmentDetailOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show what was set right, and what stands of the request now."""
        row = selectors.adjustment(pk)
        found = (row, selectors.net_of(row))
        return Response(wire.AdjustmentDetailOutput(found).data)

    @extend_schema(
        operation_id="preview_adjustment",
        request=wire.AdjustmentPreviewInput,
        responses=wire.AdjustmentPreviewOutput,
    )
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Say what an adjustment would change now, and change nothing."""
        asked = self.parse(wire.AdjustmentPreviewInput)
        effect = preview_adjustment(wire.wanted(asked))
        return Response(wire.AdjustmentPreviewOutput(effect).data)


class ReratingViewSet(ManagementViewSet):
    """Use of a model under a wrong price, rated anew."""

    noun = "rerating"
    conflicting = ("create", "preview")
    volatile = ("progress",)
    scopes: ClassVar = {
        "list": Scope.OPERATE_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.OPERATE_READ,
        "preview": Scope.OPERATE_READ,
    }

    @extend_schema(
        parameters=[rerating_wire.ReratingFilters],
        responses=rerating_wire.ReratingOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        """List re-ratings, newest first."""
        filters = self.parse_query(rerating_wire.ReratingFilters)
        return self.page(selectors.reratings(**filters), rerating_wire.ReratingOutput)

    @extend_schema(
        request=rerating_wire.ReratingInput,
        responses={201: rerating_wire.ReratingOutput},
    )
    def create(self, request: Request) -> Response:
        """Rate use of a model anew by a corrected price.

        Workers do it in the background, each request once, on what stands of it. The
        published price stays as it is. Ask for a preview first.
        """
        asked = self.parse(rerating_wire.ReratingInput)
        row = services.start_rerating(
            scope=rerating_wire.scope(asked),
            quote=rerating_wire.quote(asked),
            reason=asked["reason"],
            reference=asked["reference"],
            now=database_now(),
        )
        found = rerating_wire.ReratingOutput(selectors.rerating(row.pk))
        return Response(found.data, status.HTTP_201_CREATED)

    @extend_schema(responses=rerating_wire.ReratingDetailOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a re-rating, and what it has come to for each tenant so far."""
        row = selectors.rerating(pk)
        found = (row, selectors.rerated_tenants(row))
        return Response(rerating_wire.ReratingDetailOutput(found).data)

    @extend_schema(
        operation_id="preview_rerating",
        request=rerating_wire.ReratingPreviewInput,
        responses=rerating_wire.ReratingPreviewOutput,
    )
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Say who would be affected by a re-rating and by how much, and change nothing.

        What falls into closed periods is named: it comes with the next invoice.
        """
        asked = self.parse(rerating_wire.ReratingPreviewInput)
        effects = preview_rerating(
            scope=rerating_wire.scope(asked),
            quote=rerating_wire.quote(asked),
            now=database_now(),
        )
        found = {
            "currency": asked["price_book"].currency,
            "tenants": [rerating_wire.effect(each) for each in effects],
        }
        return Response(rerating_wire.ReratingPreviewOutput(found).data)
