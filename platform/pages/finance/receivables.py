"""The receivables page: who owes us, how late it is, and what was done about it."""

import datetime as dt
from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.money import picos_from_minor
from kit.orm.snapshot import snapshot
from kit.wording import counted
from metering.ledger.models import Account
from metering.ledger.months import turnovers
from metering.receivables.ageing import (
    DSO_DAYS,
    Aged,
    Bucket,
    OpenInvoice,
    aged,
    billed_minor,
    open_invoices,
    sales_outstanding,
)
from pages.access import staff_page
from pages.design import cells
from pages.design.address import address
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, minor_tile, missing_tile, number_tile, percent_tile
from pages.finance.drawings import ages_drawing
from pages.finance.scope import Scope, scope_of
from pages.finance.sections import SEE_LEDGER

BUCKETS = {
    Bucket.CURRENT: "Not due",
    Bucket.TO_30: "1-30 days",
    Bucket.TO_60: "31-60 days",
    Bucket.TO_90: "61-90 days",
    Bucket.OVER_90: "Over 90 days",
}
EMPTY = Empty(
    "Nobody owes anything",
    "Every invoice that was issued is paid, credited or given up.",
)


def _bucket(bucket: Bucket, row: Aged) -> Cell:
    return cells.minor(row.buckets[bucket], row.currency)


def _in_bucket(row: Aged, bucket: Bucket) -> int:
    return row.buckets[bucket]


BY_TENANT: Table[Aged] = Table(
    name="ageing",
    title="By tenant and age",
    usual_sort="-open",
    note="By due date; tax included. The columns come to the ledger's receivable.",
    empty=EMPTY,
    columns=(
        Column(
            "tenant",
            "Tenant",
            lambda row: cells.words(
                row.tenant, address=f"{address({'tenant': row.tenant})}#invoices"
            ),
            sort=lambda row: row.tenant,
        ),
        *(
            Column(
                bucket.value,
                heading,
                partial(_bucket, bucket),
                Kind.NUMBER,
                sort=partial(_in_bucket, bucket=bucket),
            )
            for bucket, heading in BUCKETS.items()
        ),
        Column(
            "overdue",
            "Overdue",
            lambda row: cells.minor(row.overdue_minor, row.currency),
            Kind.NUMBER,
            sort=lambda row: row.overdue_minor,
        ),
        Column(
            "open",
            "Open",
            lambda row: cells.minor(row.open_minor, row.currency),
            Kind.NUMBER,
            sort=lambda row: row.open_minor,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
        Column(
            "invoices",
            "Invoices",
            lambda row: cells.number(row.invoices),
            Kind.NUMBER,
            sort=lambda row: row.invoices,
        ),
    ),
)


def _stage(row: OpenInvoice) -> Cell:
    if row.hold:
        return cells.state(Badge(f"held: {row.hold}", Tone.WAIT))
    if not row.step:
        return cells.state(
            Badge("overdue", Tone.BAD) if row.days_overdue > 0 else Badge("not due")
        )
    tone = Tone.BAD if row.step.startswith("suspension") else Tone.WAIT
    return cells.state(Badge(row.step, tone), note=f"{row.step_date}")


def _overdue(row: OpenInvoice) -> Cell:
    if row.days_overdue <= 0:
        return cells.nothing("not due")
    return cells.number(row.days_overdue)


INVOICES: Table[OpenInvoice] = Table(
    name="invoices",
    title="Open invoices",
    usual_sort="due",
    empty=EMPTY,
    is_one_of_many=True,
    columns=(
        Column(
            "number",
            "Invoice",
            lambda row: cells.words(
                row.number, address=reverse("finance:invoice", args=[row.public_id])
            ),
            sort=lambda row: row.number,
        ),
        Column(
            "tenant",
            "Tenant",
            lambda row: cells.words(row.tenant),
            sort=lambda row: row.tenant,
        ),
        Column("stage", "Stage", _stage),
        Column(
            "issued",
            "Issued",
            lambda row: cells.day(row.issued_date),
            sort=lambda row: row.issued_date,
        ),
        Column(
            "due",
            "Due",
            lambda row: cells.day(row.due_date),
            sort=lambda row: row.due_date,
        ),
        Column(
            "late",
            "Days late",
            _overdue,
            Kind.NUMBER,
            sort=lambda row: row.days_overdue,
        ),
        Column(
            "asked",
            "Asked for",
            lambda row: cells.minor(row.asked_minor, row.currency),
            Kind.NUMBER,
            sort=lambda row: row.asked_minor,
        ),
        Column(
            "open",
            "Open",
            lambda row: cells.minor(row.open_minor, row.currency),
            Kind.NUMBER,
            sort=lambda row: row.open_minor,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
)


@require_safe
@staff_page(*SEE_LEDGER)
def page(request: HttpRequest) -> HttpResponse:
    """Show what is open by age, by tenant and by invoice, as of today."""
    with snapshot():
        scope = scope_of(request, has_month=False)
        today = scope.now.astimezone(dt.UTC).date()
        found = open_invoices(now=scope.now, currency=scope.currency)
        whose = scope.query.get("tenant", "")
        listed = [row for row in found if whose in {"", row.tenant}]
        rows = aged(listed)
        if wants_file(BY_TENANT, scope.query):
            return file_of(BY_TENANT, rows, scope.query, name=f"ageing-{today}")
        if wants_file(INVOICES, scope.query):
            return file_of(INVOICES, listed, scope.query, name=f"open-invoices-{today}")
        context = {
            "heading": Heading(
                "Receivables",
                scope=(
                    f"as of {today}, days of each tenant's zone",
                    *((f"of {whose}",) if whose else ()),
                    "including tax",
                    *((f"in {scope.currency}",) if scope.currency else ()),
                ),
                lead="Who owes us, how late it is, and what was done about it.",
            ),
            "form": scope.filters,
            "empty": scope.empty,
            "hero": _tiles(scope, found, today),
            "charts": [ages_drawing(rows, BUCKETS, currency=scope.currency)]
            if rows
            else [],
            "tables": [
                BY_TENANT.laid_out(rows, scope.query, totals=_total(rows)),
                INVOICES.laid_out(listed, scope.query),
            ],
        }
    return render(request, "pages/finance/page.html", context)


def booked_minor_picos(currency: str) -> int:
    """Return what the ledger says is owed to us in a currency."""
    found = turnovers(accounts=[Account.Kind.RECEIVABLE])
    return sum(row.picos for row in found if row.currency == currency)


def _tiles(scope: Scope, found: list[OpenInvoice], today: dt.date) -> list[Tile]:
    if not scope.currency:
        return []
    owed = sum(row.open_minor for row in found)
    overdue = [row for row in found if row.days_overdue > 0]
    late = sum(row.open_minor for row in overdue)
    booked = booked_minor_picos(scope.currency)
    tied = picos_from_minor(owed, scope.currency) == booked
    billed = billed_minor(as_of=today, currency=scope.currency)
    days = sales_outstanding(found, billed_minor=billed)
    label = "Days sales outstanding"
    return [
        minor_tile(
            "Overdue",
            late,
            scope.currency,
            address="#invoices",
            note=counted(len(overdue), "invoice", "invoices"),
        ),
        minor_tile(
            "Open",
            owed,
            scope.currency,
            address="#ageing",
            badge=Badge("equals the ledger", Tone.GOOD)
            if tied
            else Badge("differs from the ledger", Tone.BAD),
        ),
        percent_tile("Overdue of open", late, owed),
        missing_tile(label, "no sales", note=f"nothing was billed in {DSO_DAYS} days")
        if days is None
        else number_tile(
            label,
            (2 * days[0] + days[1]) // (2 * days[1]),
            unit="days",
            note=f"open by what {DSO_DAYS} days billed",
        ),
    ]


def _total(rows: list[Aged]) -> list[dict[str, Cell]]:
    if not rows:
        return []
    currency = rows[0].currency
    total = {
        bucket.value: cells.minor(sum(row.buckets[bucket] for row in rows), currency)
        for bucket in Bucket
    }
    total |= {
        "tenant": cells.words("Total"),
        "overdue": cells.minor(sum(row.overdue_minor for row in rows), currency),
        "open": cells.minor(sum(row.open_minor for row in rows), currency),
        "currency": cells.unit(currency),
        "invoices": cells.number(sum(row.invoices for row in rows)),
    }
    return [total]
