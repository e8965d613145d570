"""A tenant's credit as a bank tells of an account: the statement, and its grants.

The statement is the books of one month of the tenant's days; what burned since and is
not booked yet, and what running requests hold, stand beside it and never in it.

Failure: a month that cannot be is 400.
"""

import datetime as dt
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.acting import current
from kit.errors import InvalidRequest
from kit.scopes import Scope
from metering.billing.models import Invoice
from metering.billing.selectors import invoices
from metering.ledger.models import CreditGrant, Transaction
from metering.ledger.selectors import credit_grants
from metering.ledger.wallets import (
    Moved,
    Statement,
    statement,
    statement_lines,
    wallet,
    with_balances,
)
from metering.usage.question import scope_of
from metering.usage.selectors import UsageQuery, billing_month, database_now
from metering.usage.zones import month_of
from pages.console.billing.reading import said_at
from pages.console.place import place_page, require
from pages.design import cells
from pages.design.address import query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind
from pages.design.files import FILE_ROWS_MAX, file_of, first_of, wants_file
from pages.design.filters import FilterForm, MonthField
from pages.design.heading import Heading
from pages.design.paging import page_of
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, money_tile
from tenants.models import Member, Tenant

FILE_LINES_MAX = 100_000
_READ_AT_ONCE = 2_000
# What moved credit, in the words of whom it is moved for.
WORDS = {
    Transaction.Kind.CREDIT: "credit given",
    Transaction.Kind.INVOICE: "invoice",
    Transaction.Kind.BURN: "use",
    Transaction.Kind.EXPIRY: "expired",
    Transaction.Kind.REVERSAL: "taken back",
}


class MonthForm(FilterForm):
    """The month of a statement."""

    month = MonthField(required=False, label="Month")

    def __init__(self, asked: QueryDict) -> None:
        super().__init__(asked)


def lines_table(tenant: Tenant, bills: Mapping[str, Invoice]) -> Table[Moved]:
    """Return the table of a statement; bills are those that credit paid for."""
    currency = tenant.currency
    return Table(
        name="statement",
        title="Statement",
        file_rows_max=FILE_LINES_MAX,
        note="What is in the books, newest first. Use is booked once a day.",
        columns=(
            Column(
                "at", "When", lambda row: said_at(row.transaction.occurred_at, tenant)
            ),
            Column("what", "What", lambda row: _what(row, tenant, bills)),
            Column("in", "In", lambda row: _side(row, currency, 1), Kind.NUMBER),
            Column("out", "Out", lambda row: _side(row, currency, -1), Kind.NUMBER),
            Column(
                "balance",
                "Balance after",
                lambda row: cells.money(row.balance, currency),
                Kind.NUMBER,
            ),
            Column("currency", "Currency", lambda row: cells.unit(currency), Kind.UNIT),
        ),
        empty=Empty(
            "Nothing moved in this month", "Credit that is given, used or expires does."
        ),
    )


def grants_table(tenant: Tenant, now: dt.datetime) -> Table[CreditGrant]:
    """Return the table of a tenant's grants."""
    return Table(
        name="grants",
        title="Grants",
        file_rows_max=FILE_ROWS_MAX,
        note="They are used in this order: the lowest priority first, then whichever"
        " expires first, then the oldest.",
        is_one_of_many=True,
        columns=(
            Column(
                "name",
                "Grant",
                lambda row: cells.words(
                    row.reference, note=", ".join(row.for_models or [])
                ),
            ),
            Column("kind", "Kind", lambda row: cells.words(row.get_source_display())),
            Column(
                "amount",
                "Amount",
                lambda row: cells.money(int(row.amount_picos), row.currency),
                Kind.NUMBER,
            ),
            Column(
                "left",
                "Left",
                lambda row: cells.money(_left(row), row.currency),
                Kind.NUMBER,
            ),
            Column(
                "currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT
            ),
            Column(
                "priority",
                "Priority",
                lambda row: cells.number(row.priority),
                Kind.NUMBER,
            ),
            Column("given", "Given", lambda row: said_at(row.created_at, tenant)),
            Column(
                "expires",
                "Expires",
                lambda row: (
                    said_at(row.expires_at, tenant)
                    if row.expires_at
                    else cells.nothing("never")
                ),
            ),
            Column("state", "State", lambda row: cells.state(_grant_state(row, now))),
        ),
        empty=Empty("No credit was given or bought yet"),
    )


@require_safe
@place_page
def page(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Show a tenant's credit now, one month of its statement, and its grants."""
    require(Scope.BILLING_READ)
    tenant, now, query = place.tenant, database_now(), query_of(request.GET)
    form = MonthForm(request.GET)
    if not form.is_valid():
        raise InvalidRequest("A month is written like 2026-11.", param="month")
    first, end = billing_month(now=now, tenant=tenant)
    is_running = True
    if (month := form.cleaned_data["month"]) is not None:
        is_running = month == first.replace(day=1)
        first, end = month_of(month)
    span = scope_of(UsageQuery(start=first, end=end, tenant_id=tenant.pk), source=None)
    meant: dict[str, Any] = {"tenant": tenant, "start": span.start, "end": span.end}
    rows = statement_lines(**meant)
    table = lines_table(tenant, _bills(rows))
    grants = grants_table(tenant, now)
    ordered = credit_grants(tenant=tenant).order_by("priority", "expires_at", "id")
    name = f"{tenant.slug}-{first:%Y-%m}"
    if wants_file(grants, query):
        given, cut = first_of(grants, ordered)
        return file_of(grants, given, query, name=f"grants-{name}{cut}")
    if wants_file(table, query):
        # Written as they are read: rows of a busy month are not all held at once.
        lines = rows[:FILE_LINES_MAX].iterator(chunk_size=_READ_AT_ONCE)
        cut = f"-first-{FILE_LINES_MAX}" if rows.count() > FILE_LINES_MAX else ""
        told = with_balances(lines, **meant)
        return file_of(table, told, query, name=f"statement-{name}{cut}")
    count = rows.count()
    asked = table.asked(query)
    start = min(asked.offset(), max(count - 1, 0) // 50 * 50)
    page = list(with_balances(rows[start : start + 50], **meant))
    found = statement(**meant)
    context = {
        "place": place,
        "heading": Heading(
            "Credit",
            scope=(
                f"{first:%B %Y}{', so far' if is_running else ''}",
                f"days of {tenant.zone}",
                f"in {tenant.currency}",
            ),
            lead="What credit you have, and what became of the rest.",
        ),
        "form": MonthForm(QueryDict(f"month={month or first:%Y-%m}")),
        "hero": _now(tenant, now),
        "tiles": _moved(found),
        "tables": [
            table.laid_out(page, query, count=count),
            page_of(grants, ordered, query),
        ],
    }
    return render(request, "pages/console/page.html", context)


def _now(tenant: Tenant, now: dt.datetime) -> list[Tile]:
    found = wallet(tenant=tenant, now=now)
    may_pay = current().may(Scope.BILLING_WRITE)
    top_up = reverse("console:top_up", args=[tenant.slug]) if may_pay else ""
    return [
        money_tile("Available now", found.available, found.currency, address=top_up),
        money_tile("Held", found.held, found.currency, note="by running requests"),
        money_tile(
            "Used, not booked",
            found.pending,
            found.currency,
            note="in no statement yet",
        ),
        money_tile("Ever granted", found.granted, found.currency),
    ]


def _moved(found: Statement) -> list[Tile]:
    by_kind = [
        money_tile(WORDS.get(kind, str(kind.label)).capitalize(), picos, found.currency)
        for kind, picos in found.moved
    ]
    return [
        money_tile("Opening", found.opening, found.currency, note="of the month"),
        *by_kind,
        money_tile("Closing", found.closing, found.currency, note="the sum of these"),
    ]


def _bills(rows: QuerySet[Transaction]) -> dict[str, Invoice]:
    """Return the bills that credit paid for, by what the books call them."""
    burns = rows.filter(kind=Transaction.Kind.BURN).values_list("source", flat=True)
    ids = []
    # One a bill, and of prepaid tenants one a day.
    for source in set(burns):
        with suppress(ValueError):
            ids.append(UUID(source))
    found = invoices(issued=True).filter(public_id__in=ids)
    return {str(each.public_id): each for each in found}


def _what(row: Moved, tenant: Tenant, bills: Mapping[str, Invoice]) -> Cell:
    kind, source = Transaction.Kind(row.transaction.kind), row.transaction.source
    word = WORDS.get(kind, str(kind.label))
    if (bill := bills.get(source)) is None:
        return cells.words(word, note=source)
    return cells.words(
        f"{word} on invoice {bill.number}",
        address=reverse("console:invoice", args=[tenant.slug, bill.public_id]),
    )


def _side(row: Moved, currency: str, sign: int) -> Cell:
    picos = row.picos * sign
    return cells.money(picos, currency) if picos > 0 else cells.Cell("", "")


def _left(row: CreditGrant) -> int:
    burned = int(row.burned_now)  # type: ignore[attr-defined]
    gone = burned + int(row.expired_picos) + int(row.reversed_picos)
    return int(row.amount_picos) - gone


def _grant_state(row: CreditGrant, now: dt.datetime) -> Badge:
    if row.reversal:
        return Badge("taken back", Tone.OVER)
    if row.expired_at is not None or (row.expires_at and row.expires_at <= now):
        return Badge("expired", Tone.OVER)
    return Badge("in use", Tone.GOOD) if _left(row) else Badge("used up", Tone.OVER)
