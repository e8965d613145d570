"""Operators' pages of billing: periods and invoices; read only.

An invoice is written by the close of its period and by its provider. What holds one as
a draft is said on its page; what a provider answered, in its operations, whose pages
are in `outbox_admin`.
"""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import action

from kit.admin import ReadOnlyAdmin, ReadOnlyInline, confirmed_action, state_label
from kit.money import format_minor, format_picos
from metering.billing import outbox_admin, party_admin, selectors, services
from metering.billing.models import (
    Invoice,
    InvoiceLine,
    Period,
    ProviderOperation,
)

__all__ = ("InvoiceAdmin", "outbox_admin", "party_admin")


# What may happen to a draft that another provider is to issue.
_OF_DRAFTS = ["try_now", "issue_here"]


class _LineInline(ReadOnlyInline):
    model = InvoiceLine
    fields = ("position", "description", "quantity", "price", "exact", "amount", "days")
    readonly_fields = fields
    show_change_link = False
    hide_title = True
    tab = False
    per_page = 100

    @admin.display(description="price per million")
    def price(self, row: InvoiceLine) -> str:
        """Show the quote."""
        return row.price_per_million

    @admin.display(description="exact amount")
    def exact(self, row: InvoiceLine) -> str:
        """Show the sum before rounding."""
        return format_picos(row.exact_picos)

    @admin.display(description="explained")
    def days(self, row: InvoiceLine) -> str:
        """Link to the days that it charges."""
        place = (row.invoice.public_id, row.position)
        address = reverse("finance:explained_line", args=place)
        return format_html('<a class="underline" href="{}">By days</a>', address)

    @admin.display(description="charged")
    def amount(self, row: InvoiceLine) -> str:
        """Show what is charged."""
        return format_minor(row.amount_minor, row.invoice.currency)

    def get_queryset(self, request: HttpRequest) -> QuerySet[InvoiceLine]:
        """Read lines with their invoice, which knows the currency."""
        rows: QuerySet[InvoiceLine] = super().get_queryset(request)
        return rows.select_related("invoice")


class _OperationInline(ReadOnlyInline):
    model = ProviderOperation
    fields = ("name", "attempt", "state", "reference", "error", "created_at")
    readonly_fields = fields


class _Carried(admin.SimpleListFilter):
    title = "carried over"
    parameter_name = "carried"

    def lookups(self, request: HttpRequest, _: Any) -> list[tuple[str, str]]:
        """Offer those that wait for the next invoice."""
        return [("yes", "Carried to the next invoice")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Invoice]
    ) -> QuerySet[Invoice]:
        """Leave the others out."""
        if self.value() != "yes":
            return queryset
        return queryset.filter(carried_minor__gt=0, state=Invoice.State.OPEN)


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    """Invoices with their lines."""

    list_display = (
        "__str__",
        "tenant",
        "status",
        "period_dates",
        "amount",
        "provider",
        "problem",
    )
    list_filter = ("state", "currency", "provider", "provider_account", _Carried)
    search_fields = (
        "number",
        "tenant__slug",
        "tenant__name",
        "provider_reference",
        "problem",
    )
    search_help_text = "Number, tenant, provider's reference, problem, id"
    empty_says = "An invoice is made when a billing period closes."
    list_select_related = ("tenant", "period")
    fields = (
        ("number", "state"),
        ("tenant", "period"),
        ("amount", "exact"),
        ("paid", "credited", "given_up"),
        "problem",
        ("seller", "provider", "provider_account"),
        ("provider_reference", "page"),
        ("carried", "tries", "try_after"),
        ("created_at", "issued_at"),
        "public_id",
        "fingerprint",
    )
    readonly_fields = (
        "amount",
        "exact",
        "paid",
        "credited",
        "given_up",
        "page",
        "carried",
        "created_at",
        "public_id",
        "fingerprint",
    )
    inlines = (_LineInline, _OperationInline)
    actions_detail = (
        "try_now",
        "issue_here",
        "credit",
        "record_payment",
        "hold",
        "write_off",
    )

    @state_label(
        ordering="state",
        draft="warning",
        open="info",
        paid="success",
        void="danger",
        uncollectible="danger",
    )
    def status(self, row: Invoice) -> str:
        """Show the state as a label."""
        return row.state

    @admin.display(description="period", ordering="period__first_date")
    def period_dates(self, row: Invoice) -> str:
        """Show the dates of the period, both in it."""
        return f"{row.first_date} to {row.last_date}" if row.period else "none"

    @admin.display(description="charged", ordering="amount_minor")
    def amount(self, row: Invoice) -> str:
        """Show what is charged."""
        return format_minor(row.amount_minor, row.currency)

    @admin.display(description="exact amount")
    def exact(self, row: Invoice) -> str:
        """Show the sum before rounding."""
        return f"{format_picos(row.exact_picos)} {row.currency}"

    @admin.display(description="carried to the next invoice")
    def carried(self, row: Invoice) -> str:
        """Show what the provider did not ask for by itself: it is too little."""
        return selectors.carried_over(row) or "-"

    @admin.display(description="paid")
    def paid(self, row: Invoice) -> str:
        """Show what came in for it."""
        return format_minor(row.paid_minor, row.currency)

    @admin.display(description="credited")
    def credited(self, row: Invoice) -> str:
        """Show what notes took back."""
        return format_minor(row.credited_minor, row.currency)

    @admin.display(description="given up")
    def given_up(self, row: Invoice) -> str:
        """Show what was written off."""
        return format_minor(row.written_off_minor, row.currency)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Offer what may happen to an issued invoice, and to a draft what may to it."""
        row = self.get_object(request, str(object_id))
        if row is None:
            return []
        offered = super().get_actions_detail(request, object_id)
        if row.number:
            return offered
        names = ["try_now"]
        if row.provider != services.HERE:
            names.append("issue_here")
        return [
            each for each in offered if any(name in each.action_name for name in names)
        ]

    def has_credit_permission(self, request: HttpRequest, _: str = "") -> bool:
        """Let those credit who may issue notes."""
        return request.user.has_perm("receivables.add_creditnote")

    def has_record_payment_permission(self, request: HttpRequest, _: str = "") -> bool:
        """Let those record who may record payments."""
        return request.user.has_perm("receivables.add_payment")

    def has_hold_permission(self, request: HttpRequest, _: str = "") -> bool:
        """Let those hold who may hold invoices."""
        return request.user.has_perm("receivables.add_hold")

    def has_write_off_permission(self, request: HttpRequest, _: str = "") -> bool:
        """Let those give up who may write off."""
        return request.user.has_perm("receivables.add_writeoff")

    @action(description="Credit", permissions=["credit"], icon="undo")  # type: ignore[untyped-decorator]
    def credit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the form of a credit note on it."""
        return self._form_of("creditnote", request, object_id)

    @action(description="Record payment", permissions=["record_payment"], icon="paid")  # type: ignore[untyped-decorator]
    def record_payment(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the form of a payment of it."""
        return self._form_of("payment", request, object_id)

    @action(description="Hold", permissions=["hold"], icon="pause_circle")  # type: ignore[untyped-decorator]
    def hold(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the form that keeps it from being followed up."""
        return self._form_of("hold", request, object_id)

    @action(description="Write off", permissions=["write_off"], icon="money_off")  # type: ignore[untyped-decorator]
    def write_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the form that gives up what is open of it."""
        return self._form_of("writeoff", request, object_id)

    def _form_of(self, what: str, request: HttpRequest, pk: str) -> HttpResponse:
        """Go to a form of receivables that names the invoice and says what is open."""
        row = self.get_object(request, pk)
        if row is None:
            raise Http404
        named = urlencode({"invoice": row.number or ""})
        return HttpResponseRedirect(
            f"{reverse(f'admin:receivables_{what}_add')}?{named}"
        )

    def has_try_now_permission(self, request: HttpRequest, _: str = "") -> bool:
        """Let those try again who may change invoices."""
        return request.user.has_perm("billing.change_invoice")

    @confirmed_action(
        label="Try now",
        explanation="Its provider is asked with the next scan, within a minute.",
        icon="refresh",
        permission="try_now",
    )
    def try_now(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Let the next scan try the invoice."""
        return self.act(
            request,
            object_id,
            lambda row: services.try_now(invoice=row),
            done="It is tried with the next scan.",
        )

    @confirmed_action(
        label="Issue here",
        explanation=(
            "Its provider is asked for it no more. It keeps its lines and total, is"
            " issued by this installation within a minute, and is paid by hand. A draft"
            " that was made there is deleted."
        ),
        icon="home",
        permission="try_now",
    )
    def issue_here(
        self, request: HttpRequest, form: Any, object_id: str
    ) -> HttpResponse:
        """Let this installation issue a draft that its provider cannot take."""
        return self.act(
            request,
            object_id,
            lambda row: services.issue_here(invoice=row, now=timezone.now()),
            done="It is issued here with the next scan.",
        )

    @admin.display(description="SHA-256 of the lines")
    def fingerprint(self, row: Invoice) -> str:
        """Show the hash in groups, so that it wraps."""
        whole = row.lines_sha256
        return " ".join(whole[start : start + 8] for start in range(0, len(whole), 8))

    @admin.display(description="as printed")
    def page(self, row: Invoice) -> str:
        """Link to the printable invoice."""
        address = reverse("finance:invoice", args=(row.public_id,))
        return format_html('<a class="underline" href="{}">Open</a>', address)


@admin.register(Period)
class PeriodAdmin(ReadOnlyAdmin):
    """Billing periods."""

    list_display = ("tenant", "first_date", "end_date", "status", "closed_at")
    list_filter = ("state",)
    list_select_related = ("tenant",)
    search_fields = ("tenant__slug", "tenant__name")
    search_help_text = "Tenant, id"
    empty_says = "A period is made with the first day of a tenant's month."
    date_hierarchy = "first_date"

    @state_label(ordering="state", open="info", closed="success")
    def status(self, row: Period) -> str:
        """Show the state as a label."""
        return row.state
