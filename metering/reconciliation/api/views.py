"""Reconciliation over HTTP: parse, make one call, render."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.scopes import Scope
from metering.reconciliation import asking, attending, selectors
from metering.reconciliation.api import serializers as wire
from metering.reconciliation.models import Case
from metering.usage.selectors import database_now


class RunViewSet(ManagementViewSet):
    """When the books were checked, and whether they agreed."""

    noun = "reconciliation_run"
    scopes: ClassVar = {
        "list": Scope.OPERATE_READ,
        "create": Scope.OPERATE_WRITE,
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

    @extend_schema(
        request=wire.RunCreate, responses={201: wire.ReconciliationRunOutput}
    )
    def create(self, request: Request) -> Response:
        """Ask for a run now; a worker makes it within a minute.

        It covers what a nightly run of its kind does. While one waits or is under way,
        that is the answer.
        """
        run = asking.ask_for_run(now=database_now(), **self.parse(wire.RunCreate))
        return Response(wire.ReconciliationRunOutput(run).data, status.HTTP_201_CREATED)

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


class CaseViewSet(ManagementViewSet):
    """What does not agree, from run to run."""

    noun = "reconciliation_case"
    locks = Case
    conflicting = ("explain", "reopen")
    scopes: ClassVar = {
        "list": Scope.OPERATE_READ,
        "retrieve": Scope.OPERATE_READ,
        "take": Scope.OPERATE_WRITE,
        "explain": Scope.OPERATE_WRITE,
        "reopen": Scope.OPERATE_WRITE,
    }

    @extend_schema(
        parameters=[wire.CaseFilters],
        responses=wire.ReconciliationCaseOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        """List cases, newest first.

        A case is the same difference from run to run. It is `resolved` once a whole run
        no longer finds it, and open again if another one does.
        """
        rows = selectors.cases(**self.parse_query(wire.CaseFilters))
        return self.page(rows, wire.ReconciliationCaseOutput)

    @extend_schema(responses=wire.ReconciliationCaseOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a case, as the last run that found it said.

        Operators are told of it once by mail, and again when `amount` has doubled.
        """
        return _shown(selectors.case(pk))

    @extend_schema(request=wire.CaseTake, responses=wire.ReconciliationCaseOutput)
    @action(detail=True, methods=["post"])
    def take(self, request: Request, pk: int) -> Response:
        """Have an operator look after a case, or nobody.

        Its state stays as it is.
        """
        case = selectors.case(pk)
        owner = self.parse(wire.CaseTake)["owner"]
        row = attending.take_case(
            case=case,
            owner=None if owner is None else selectors.operator_of(owner),
        )
        return _shown(row)

    @extend_schema(request=wire.CaseExplain, responses=wire.ReconciliationCaseOutput)
    @action(detail=True, methods=["post"])
    def explain(self, request: Request, pk: int) -> Response:
        """Say why a case is as it is.

        Nobody is told of it any more until its `amount` doubles: then it is open again.
        """
        row = attending.explain_case(
            case=selectors.case(pk),
            now=database_now(),
            **self.parse(wire.CaseExplain),
        )
        return _shown(row)

    @extend_schema(request=None, responses=wire.ReconciliationCaseOutput)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, pk: int) -> Response:
        """Take the explanation of a case back; its words stay.

        A case that is open stays so.
        """
        return _shown(attending.reopen_case(case=selectors.case(pk)))


class ProofViewSet(ManagementViewSet):
    """Of which epochs nothing is missing."""

    noun = "epoch_proof"
    scopes: ClassVar = {"list": Scope.OPERATE_READ}

    @extend_schema(
        parameters=[wire.ProofFilters], responses=wire.EpochProofOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List the proofs of epochs, the latest epoch first.

        An epoch is one run of one gateway process. It is complete if its events are
        numbered 1 to `last_seq`, each once; if each request that it settled has one
        original event; and, once it is closed, if it settled or voided all it admitted.
        """
        rows = selectors.proven_epochs(**self.parse_query(wire.ProofFilters))
        return self.page(rows, wire.EpochProofOutput)


class EngineProcessViewSet(ManagementViewSet):
    """What engines counted."""

    noun = "engine_process"
    scopes: ClassVar = {"list": Scope.OPERATE_READ}

    @extend_schema(
        operation_id="list_engine_processes",
        parameters=[wire.EngineFilters],
        responses=wire.EngineProcessOutput(many=True),
    )
    def list(self, request: Request) -> Response:
        """List the processes of engines and their own counts, the latest first.

        They are read each minute; a restart begins another process.
        """
        rows = selectors.engine_processes(**self.parse_query(wire.EngineFilters))
        return self.page(rows, wire.EngineProcessOutput)


def _shown(row: Case) -> Response:
    return Response(wire.ReconciliationCaseOutput(row).data)
