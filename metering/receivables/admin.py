"""Finance's pages of receivables: record what came in, take back, hold, give up.

Rows are facts: each is written once, and its page only shows it. Failure: what the
service refuses is said on the page.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from kit.admin import (
    ReadOnlyAdmin,
    ReadOnlyInline,
    ServiceAdmin,
    confirmed_action,
    state_label,
)
from kit.money import format_minor
from metering.receivables import services
from metering.receivables.forms import (
    HoldForm,
    NoteForm,
    PaymentForm,
    RefundForm,
    ReleaseForm,
    WriteOffForm,
)
from metering.receivables.models import (
    CreditNote,
    CreditNoteLine,
    DunningStep,
    Hold,
    Payment,
    Refund,
    WriteOff,
)
from metering.usage.selectors import database_now


class _RefundInline(ReadOnlyInline):
    model = Refund
    fields = ("reference", "amount_minor", "outlet", "reason", "refunded_at")
    readonly_fields = fields


class _NoteLineInline(ReadOnlyInline):
    model = CreditNoteLine
    fields = ("position", "kind", "description", "amount_minor")
    readonly_fields = fields
    show_change_link = False
    tab = False


class _FactAdmin(ServiceAdmin):
    """Pages of facts: written once, and shown."""

    list_select_related = ("tenant", "invoice")
    search_fields: tuple[str, ...] = (
        "tenant__slug",
        "tenant__name",
        "invoice__number",
    )
    search_help_text = "Tenant, invoice's number, id"
    ordering = ("-id",)
    # What a row shows once it is there.
    shown: tuple[Any, ...] = ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask for what a new row says; show all there is of one."""
        return self.fields if obj is None else self.shown

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let everything be said once."""
        if obj is None:
            return ()
        lines = [each if isinstance(each, tuple) else (each,) for each in self.shown]
        return tuple(name for line in lines for name in line)

    def update(self, row: Any, changes: Mapping[str, Any]) -> Any:
        """Leave the row as it is: it says what happened."""
        return row

    @admin.display(description="amount")
    def amount(self, row: Any) -> str:
        """Show the amount with its currency."""
        return format_minor(row.amount_minor, row.invoice.currency)


@admin.register(Payment)
class PaymentAdmin(_FactAdmin):
    """Payments."""

    form = PaymentForm
    list_display = (
        "reference",
        "tenant",
        "invoice",
        "amount",
        "method",
        "received_at",
    )
    list_filter = ("method",)
    search_fields = ("reference", "tenant__slug", "tenant__name", "invoice__number")
    search_help_text = "Reference, tenant, invoice's number, id"
    empty_says = "What came in for invoices is recorded here."
    fields = (
        ("invoice", "amount_minor"),
        ("reference", "method"),
        ("received_at", "excess"),
    )
    shown = (
        ("tenant", "invoice"),
        ("amount", "method"),
        "reference",
        ("received_at", "created_at"),
    )
    inlines = (_RefundInline,)
    actions_detail = ("refund",)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show what went back once there is a payment."""
        return self.inlines if obj else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose that it came in just now."""
        return {
            "received_at": database_now().replace(microsecond=0),
            **super().get_changeform_initial_data(request),
        }

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Payment:
        """Record the payment."""
        terms: Any = dict(values)
        return services.record_payment(now=database_now(), **terms)

    @confirmed_action(
        label="Give back",
        explanation="Money goes back, or a bank took it back.",
        icon="undo",
        is_danger=True,
        form=RefundForm,
    )
    def refund(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Give a part of the payment back."""

        def call(row: Payment) -> Payment:
            services.refund_payment(
                payment=row, now=database_now(), **form.cleaned_data
            )
            return row

        return self.act(request, object_id, call, done="Given back.")


@admin.register(CreditNote)
class CreditNoteAdmin(_FactAdmin):
    """Credit notes."""

    form = NoteForm
    list_display = ("number", "tenant", "invoice", "amount", "issued_date", "reason")
    search_fields = ("number", "reference", "tenant__slug", "invoice__number")
    search_help_text = "Number, reference, tenant, invoice's number, id"
    empty_says = "An issued invoice is never changed: a credit note takes back of it."
    fields = ("invoice", "lines", ("reason", "reference"), "outlet")
    shown = (
        ("number", "tenant", "invoice"),
        ("amount", "tax_minor", "restored_minor"),
        ("reason", "reference"),
        ("issued_at", "issued_date"),
    )
    inlines = (_NoteLineInline,)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show the lines once there is a note."""
        return self.inlines if obj else ()

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> CreditNote:
        """Issue the note."""
        terms: Any = dict(values)
        return services.issue_credit_note(
            invoice=terms.pop("invoice"),
            wanted=services.Wanted(**terms),
            now=database_now(),
        )


@admin.register(WriteOff)
class WriteOffAdmin(_FactAdmin):
    """What was given up, and came in after all."""

    form = WriteOffForm
    list_display = ("tenant", "invoice", "amount", "written_off_at", "reason")
    empty_says = "What is open of an invoice can be given up here."
    fields = ("invoice", "reason")
    shown = (("tenant", "invoice"), "amount", "reason", "written_off_at")

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> WriteOff:
        """Give up what is open."""
        terms: Any = dict(values)
        invoice = services.write_off(now=database_now(), **terms)
        return invoice.write_offs.order_by("-pk")[:1].get()


@admin.register(Hold)
class HoldAdmin(_FactAdmin):
    """Invoices that are disputed or paused."""

    form = HoldForm
    list_display = ("tenant", "invoice", "kind", "started_at", "ended_at", "reason")
    list_filter = ("kind", ("ended_at", admin.EmptyFieldListFilter))
    empty_says = "An invoice that is held is not followed up."
    fields = ("invoice", "kind", "reason")
    shown = (("tenant", "invoice"), ("kind", "reason"), ("started_at", "ended_at"))
    actions_detail = ("release",)

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Hold:
        """Hold the invoice."""
        terms: Any = dict(values)
        return services.hold_invoice(now=database_now(), **terms)

    @confirmed_action(
        label="Release",
        explanation="The schedule of reminders begins anew.",
        icon="play_arrow",
        form=ReleaseForm,
    )
    def release(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """End the hold."""

        def call(row: Hold) -> Hold:
            services.release_invoice(invoice=row.invoice, now=database_now())
            return row

        return self.act(request, object_id, call, done="Released.")


@admin.register(DunningStep)
class DunningStepAdmin(ReadOnlyAdmin):
    """What was done about unpaid invoices."""

    list_display = ("tenant", "invoice", "kind", "position", "taken_at", "status")
    list_filter = ("kind", "mail")
    list_select_related = ("tenant", "invoice")
    search_fields = ("tenant__slug", "tenant__name", "invoice__number")
    search_help_text = "Tenant, invoice's number, id"
    empty_says = "Invoices are followed up here once they are overdue."

    @state_label(
        ordering="mail",
        waiting="info",
        sent="success",
        failed="danger",
        no_address="warning",
    )
    def status(self, row: DunningStep) -> str:
        """Show what became of its mail as a label."""
        return row.mail
