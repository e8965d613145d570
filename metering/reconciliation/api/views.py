"""Reconciliation over HTTP, to be read: parse, ask the selector, render."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from metering.reconciliation import selectors
from metering.reconciliation.api import serializers as wire


class RunViewSet(ManagementViewSet):
    """When the books were checked, and whether they agreed."""

    noun = "reconciliation_run"
    scopes: ClassVar = {
        "list": Scope.OPERATE_READ,
        "retrieve": Scope.OPERATE_READ,
    }

    @extend_schema(
        parameters=[wire.RunFilters], responses=wire.ReconciliationRunOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List reconciliation runs, newest first.

        `reconcile` follows the chain over a window of billing days, `verify_ledger`
        holds every invariant of the books. A run that `agrees` found no difference.
        """
        rows = selectors.runs(**self.parse_query(wire.RunFilters))
        return self.page(rows, wire.ReconciliationRunOutput)

    @extend_schema(responses=wire.ReconciliationRunDetailOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a reconciliation run with its checks and the sums of the chain.

        What waits for a step, such as an event for its rollup, is no difference: the
        step is yet to be made.
        """
        return Response(wire.ReconciliationRunDetailOutput(selectors.run(pk)).data)


class DifferenceViewSet(ManagementViewSet):
    """What did not agree."""

    noun = "difference"
    scopes: ClassVar = {
        "list": Scope.OPERATE_READ,
    }

    @extend_schema(
        parameters=[wire.DifferenceFilters], responses=wire.DifferenceOutput(many=True)
    )
    def list(self, request: Request, pk: int) -> Response:
        """List what a reconciliation run found.

        Of each check the first 100 differences are listed; its count is of all.
        """
        filters = self.parse_query(wire.DifferenceFilters)
        rows = selectors.differences(selectors.run(pk), **filters)
        return self.page(rows, wire.DifferenceOutput)
