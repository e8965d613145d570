"""Payments, credit notes and what is open over HTTP: parse, make one call, render.

No version is named in a write: the invoice is locked before anything is decided on it.
A write that must happen once has its reference, and an `Idempotency-Key` besides.
"""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.views import ManagementViewSet
from kit.errors import InvalidRequest
from kit.scopes import Scope
from metering.receivables import selectors, services
from metering.receivables.api import serializers as wire
from metering.usage.selectors import database_now


class PaymentViewSet(ManagementViewSet):
    """Money that came in for invoices."""

    noun = "payment"
    conflicting = ("create", "refund")
    scopes: ClassVar = {
        "list": Scope.BILLING_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.BILLING_READ,
        "refund": Scope.OPERATE_WRITE,
    }

    @extend_schema(
        parameters=[wire.PaymentFilters], responses=wire.PaymentOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List payments, newest first.

        Each is all that came in under its reference; what went back is in `refunds/`.
        """
        filters = self.parse_query(wire.PaymentFilters)
        return self.page(selectors.payments(**filters), wire.PaymentOutput)

    @extend_schema(request=wire.PaymentInput, responses={201: wire.PaymentOutput})
    def create(self, request: Request) -> Response:
        """Record what came in for an invoice.

        In parts is fine. More than is open is refused unless `excess` says where the
        rest goes. Once nothing is open the invoice is paid, and a tenant that was
        suspended for it is served again. The same reference again, with the same
        terms, answers with the same payment.
        """
        row = services.record_payment(
            now=database_now(), **self.parse(wire.PaymentInput)
        )
        shown = wire.PaymentOutput(selectors.payment(row.pk)).data
        return Response(shown, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.PaymentOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a payment.

        It never changes: what goes back of it is a refund.
        """
        return Response(wire.PaymentOutput(selectors.payment(pk)).data)

    @extend_schema(request=wire.RefundInput, responses={201: wire.RefundOutput})
    @action(detail=True, methods=["post"])
    def refund(self, request: Request, pk: int) -> Response:
        """Give a part of a payment back, or note that a bank took it back.

        The invoice is open again by as much; a credit note gives money back without
        that. Money for a top-up goes back with its credit.
        """
        row = services.refund_payment(
            payment=selectors.payment(pk),
            now=database_now(),
            **self.parse(wire.RefundInput),
        )
        return Response(wire.RefundOutput(row).data, status.HTTP_201_CREATED)


class RefundViewSet(ManagementViewSet):
    """Money that went back."""

    noun = "refund"
    scopes: ClassVar = {"list": Scope.BILLING_READ}

    @extend_schema(
        parameters=[wire.RefundFilters], responses=wire.RefundOutput(many=True)
    )
    def list(self, request: Request) -> Response:
        """List what went back of payments, newest first.

        `outlet` says whether to the payer, into the tenant's credit, or by a bank.
        """
        filters = self.parse_query(wire.RefundFilters)
        return self.page(selectors.refunds(**filters), wire.RefundOutput)


class CreditNoteViewSet(ManagementViewSet):
    """What was taken back of invoices."""

    noun = "credit_note"
    conflicting = ("create",)
    scopes: ClassVar = {
        "list": Scope.BILLING_READ,
        "create": Scope.OPERATE_WRITE,
        "retrieve": Scope.BILLING_READ,
    }

    @extend_schema(parameters=[wire.NoteFilters], responses=wire.NoteOutput(many=True))
    def list(self, request: Request) -> Response:
        """List credit notes, newest first.

        Their numbers are a series of their own, without gaps.
        """
        filters = self.parse_query(wire.NoteFilters)
        return self.page(selectors.credit_notes(**filters), wire.NoteOutput)

    @extend_schema(request=wire.NoteInput, responses={201: wire.NoteDetailOutput})
    def create(self, request: Request) -> Response:
        """Take back lines of an invoice, or parts of them, with the tax on them.

        Amounts are those of the invoice as rounded; all notes together never come to
        more. It first takes off what is open; of what was paid `outlet` says where it
        goes. Without `lines` all that is left is taken back, and the invoice is void.
        """
        asked = self.parse(wire.NoteInput)
        invoice, lines = asked.pop("invoice"), asked.pop("lines", None)
        row = services.issue_credit_note(
            invoice=invoice,
            wanted=services.Wanted(**asked, lines=_by_position(lines)),
            now=database_now(),
        )
        shown = wire.NoteDetailOutput(selectors.credit_note(row.pk)).data
        return Response(shown, status.HTTP_201_CREATED)

    @extend_schema(responses=wire.NoteDetailOutput)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Show a credit note with its lines.

        A line's position is that of the invoice's line it takes back.
        """
        return Response(wire.NoteDetailOutput(selectors.credit_note(pk)).data)


class DunningStepViewSet(ManagementViewSet):
    """What was done about unpaid invoices."""

    noun = "dunning_step"
    scopes: ClassVar = {"list": Scope.BILLING_READ}

    @extend_schema(parameters=[wire.StepFilters], responses=wire.StepOutput(many=True))
    def list(self, request: Request) -> Response:
        """List what was done about unpaid invoices, newest first.

        Reminders, at last a suspension, and its end once the invoice is settled.
        """
        filters = self.parse_query(wire.StepFilters)
        return self.page(selectors.dunning_steps(**filters), wire.StepOutput)


class StandingViewSet(ManagementViewSet):
    """What becomes of invoices."""

    noun = "invoice"
    conflicting = ("write_off", "hold")
    scopes: ClassVar = {
        "standing_of": Scope.BILLING_READ,
        "write_off": Scope.OPERATE_WRITE,
        "hold": Scope.OPERATE_WRITE,
        "release": Scope.OPERATE_WRITE,
    }

    @extend_schema(responses=wire.InvoiceStandingOutput)
    def standing_of(self, request: Request, pk: int) -> Response:
        """Show what is open of an issued invoice.

        What it asked for, less what was paid, credited and given up.
        """
        return Response(wire.InvoiceStandingOutput(selectors.issued_invoice(pk)).data)

    @extend_schema(request=wire.WriteOffInput, responses=wire.InvoiceStandingOutput)
    def write_off(self, request: Request, pk: int) -> Response:
        """Give up what is open of an invoice.

        It is uncollectible then; what comes in for it later brings it back.
        """
        row = services.write_off(
            invoice=selectors.issued_invoice(pk),
            now=database_now(),
            **self.parse(wire.WriteOffInput),
        )
        return Response(wire.InvoiceStandingOutput(row).data)

    @extend_schema(request=wire.HoldInput, responses=wire.InvoiceStandingOutput)
    def hold(self, request: Request, pk: int) -> Response:
        """Hold an open invoice: nobody is reminded of it or suspended for it.

        While it is disputed, or because we say so. It stays payable.
        """
        invoice = selectors.issued_invoice(pk)
        services.hold_invoice(
            invoice=invoice, now=database_now(), **self.parse(wire.HoldInput)
        )
        return Response(wire.InvoiceStandingOutput(invoice).data)

    @extend_schema(request=None, responses=wire.InvoiceStandingOutput)
    def release(self, request: Request, pk: int) -> Response:
        """End the hold of an invoice: it is followed up again, from today on.

        Releasing twice changes nothing.
        """
        row = services.release_invoice(
            invoice=selectors.issued_invoice(pk), now=database_now()
        )
        return Response(wire.InvoiceStandingOutput(row).data)


def _by_position(lines: "list[dict[str, int]] | None") -> dict[int, int] | None:
    if lines is None:
        return None
    found = {line["position"]: line["amount_minor"] for line in lines}
    if len(found) != len(lines):
        raise InvalidRequest("A line is named twice.", param="lines")
    return found
