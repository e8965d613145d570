"""A line of an invoice explained: to the days that it charges, and these to requests.

Finance and tenants read the same pages, each in its own frame. Every figure is the
billing selector's; a page says whether what stands below a sum adds up to it. Finance's
file of a day has every request, sent as it is read; a tenant's is made whole. Failure:
what is not there is 404; a tenant's file of more requests than one may have is refused
with the reason.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from kit.errors import InvalidRequest, NotFound
from kit.json_values import is_array, is_object
from metering.billing.explaining import (
    CountedEvent,
    DayExplained,
    LineExplained,
    every_event,
    explain_day,
    explain_line,
    line_at,
)
from metering.billing.marks import ChargedDay
from metering.billing.models import Invoice
from metering.subscriptions.terms import Meter
from pages.design import cells
from pages.design.address import Query, address, query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind
from pages.design.files import file_of, stream_of, wants_file
from pages.design.heading import Crumb, Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, minor_tile, money_tile, number_tile

REQUESTS_PER_PAGE = 100
FILE_REQUESTS_MAX = 100_000
_READ_AT_ONCE = 5_000
_AFTER = "after"


@dataclass(frozen=True, slots=True)
class Frame:
    """Whose pages these are: where they lead, and how each is laid out.

    `leads` returns the address of the invoice, of a line of it by its position, or of a
    day of that line.
    """

    leads: Callable[..., str]
    line_page: str
    day_page: str
    more: dict[str, Any]
    """What the frame's own templates ask for."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A day or a request, with what its cells lead to and are in."""

    quantity: int
    charge_picos: int
    currency: str
    day: ChargedDay | None = None
    address: str = ""
    event: CountedEvent | None = None


def _day(row: _Row) -> Cell:
    assert row.day is not None  # noqa: S101 - for the type checker
    return cells.day(row.day.date, address=row.address)


def _request(row: _Row) -> Cell:
    assert row.event is not None  # noqa: S101 - for the type checker
    event = row.event
    note = f"corrects {event.corrects}" if event.corrects else ""
    return cells.words(f"{event.request_id}", note=note)


def _admitted(row: _Row) -> Cell:
    return cells.instant(row.event.admitted_at) if row.event else cells.nothing()


def _kind(row: _Row) -> Cell:
    return cells.words(row.event.kind.name.lower() if row.event else "")


_FIGURES: tuple[Column[_Row], ...] = (
    Column("quantity", "Tokens", lambda row: cells.number(row.quantity), Kind.NUMBER),
    Column(
        "charge",
        "Charge",
        lambda row: cells.money(row.charge_picos, row.currency),
        Kind.NUMBER,
    ),
    Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
)
DAYS: Table[_Row] = Table(
    name="days",
    title="By billing day",
    columns=(Column("date", "Day", _day), *_FIGURES),
    empty=Empty(
        "This line counts nothing of days",
        "It comes from the plan, a tax or credit: how it came about stands above.",
    ),
)
REQUESTS: Table[_Row] = Table(
    name="requests",
    title="Requests and corrections",
    columns=(
        Column("request", "Request", _request),
        Column("admitted", "Admitted, UTC", _admitted),
        Column("kind", "Kind", _kind),
        *_FIGURES,
    ),
    rows_per_page=REQUESTS_PER_PAGE,
    empty=Empty("No more requests", "The page before was the last."),
)
FACTS: Table[tuple[str, str]] = Table(
    name="facts",
    title="How it came about",
    columns=(
        Column("name", "Term", lambda row: cells.words(row[0])),
        Column("value", "Value", lambda row: cells.words(row[1])),
    ),
    rows_per_page=500,
    has_file=False,
)


def line_page(
    request: HttpRequest, invoice: Invoice, position: int, frame: Frame
) -> HttpResponse:
    """Show the days that a line of an invoice charges, or counts."""
    query = query_of(request.GET)
    found = explain_line(invoice, line_at(invoice, position))
    rows = [_day_row(invoice, found, each, frame) for each in found.days]
    if wants_file(DAYS, query):
        return file_of(DAYS, rows, query, name=_file_name(invoice, position))
    facts = list(_facts(found.line.document))
    context = {
        "heading": Heading(
            found.line.description,
            scope=_scope(invoice),
            crumbs=_crumbs(invoice, frame),
            lead="What this line charges, day by day; each day opens its requests.",
        ),
        "hero": _line_tiles(invoice, found),
        "tables": [
            *([FACTS.laid_out(facts, query)] if facts else []),
            DAYS.laid_out(rows, query, totals=_total(rows, invoice.currency)),
        ],
    }
    return render(request, frame.line_page, context | frame.more)


def day_page(
    request: HttpRequest, invoice: Invoice, position: int, date: str, frame: Frame
) -> HttpResponse:
    """Show the requests of a day that a line charges, a page at a time."""
    query = query_of(request.GET)
    explained = explain_line(invoice, line_at(invoice, position))
    asked, after = _date(date), _after(query)
    if wants_file(REQUESTS, query):
        everything = _all_requests(invoice, explained, asked)
        name = _day_file_name(invoice, position, asked)
        return file_of(REQUESTS, everything, query, name=name)
    found = explain_day(explained, asked, after=after, size=REQUESTS_PER_PAGE)
    rows = [_event_row(invoice, each) for each in found.events]
    above = Crumb(explained.line.description, frame.leads(invoice, position))
    context = {
        "heading": Heading(
            f"{explained.line.description}, {asked}",
            scope=_scope(invoice),
            crumbs=(*_crumbs(invoice, frame), above),
            lead="The requests that were counted on this day, and what corrects them.",
        ),
        "hero": _day_tiles(invoice, explained, found),
        "tables": [REQUESTS.laid_out(rows, query)],
        "first": address(query, after="") if after else "",
        "more": address(query, after=f"{found.after}") if found.after else "",
    }
    return render(request, frame.day_page, context | frame.more)


def day_file(
    request: HttpRequest, invoice: Invoice, position: int, date: str
) -> HttpResponse:
    """Send every request of a day that a line charges; called in no transaction."""
    explained, asked = explain_line(invoice, line_at(invoice, position)), _date(date)
    rows = (_event_row(invoice, each) for each in every_event(explained, asked))
    name = _day_file_name(invoice, position, asked)
    return stream_of(request, REQUESTS, rows, name=name)


def _line_tiles(invoice: Invoice, found: LineExplained) -> list[Tile]:
    line = found.line
    badge = None
    if found.adds_up is not None:
        badge = (
            Badge("its days add up", Tone.GOOD)
            if found.adds_up
            else Badge("its days differ", Tone.BAD)
        )
    return [
        minor_tile("Charged", line.amount_minor, invoice.currency, badge=badge),
        money_tile("Exactly", int(line.exact_picos), invoice.currency),
        number_tile("Quantity", line.quantity),
    ]


def _day_tiles(
    invoice: Invoice, explained: LineExplained, found: DayExplained
) -> list[Tile]:
    expected = found.day.quantity + found.elsewhere_quantity
    badge = (
        Badge("its requests add up", Tone.GOOD)
        if found.events_quantity == expected
        else Badge("its requests differ", Tone.BAD)
    )
    tokens = number_tile("Tokens on this invoice", found.day.quantity, badge=badge)
    others = number_tile(
        "On other invoices", found.elsewhere_quantity, note="known later, or not yet"
    )
    requests = number_tile("Requests", found.events_count)
    if explained.meter is Meter.TOKENS:
        return [tokens, others, requests]
    charge = money_tile("Charge", found.day.charge_picos, invoice.currency)
    return [charge, tokens, others, requests]


def _day_row(
    invoice: Invoice, found: LineExplained, each: ChargedDay, frame: Frame
) -> _Row:
    is_share = found.meter is Meter.CHARGE
    leads = frame.leads(invoice, found.line.position, f"{each.date}")
    return _Row(
        each.quantity,
        each.charge_picos,
        invoice.currency,
        day=each,
        address="" if is_share else leads,
    )


def _event_row(invoice: Invoice, event: CountedEvent) -> _Row:
    return _Row(event.quantity, event.charge_picos, invoice.currency, event=event)


def _all_requests(
    invoice: Invoice, explained: LineExplained, date: dt.date
) -> Iterator[_Row]:
    """Yield every request of a day; raises `InvalidRequest` where they are too many."""
    after: UUID | None = None
    while True:
        found = explain_day(explained, date, after=after, size=_READ_AT_ONCE)
        if found.events_count > FILE_REQUESTS_MAX:
            raise InvalidRequest(
                f"The day has {found.events_count:,} requests, and a file of them at"
                f" most {FILE_REQUESTS_MAX:,}: read them by the management API.",
                param="file",
            )
        yield from (_event_row(invoice, each) for each in found.events)
        after = found.after
        if after is None:
            return


def _total(rows: list[_Row], currency: str) -> list[dict[str, Cell]]:
    if not rows:
        return []
    charge = sum(row.charge_picos for row in rows)
    return [
        {
            "date": cells.words("Total"),
            "quantity": cells.number(sum(row.quantity for row in rows)),
            "charge": cells.money(charge, currency),
            "currency": cells.unit(currency),
        }
    ]


def _facts(document: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield what a line's document says, each with its place in it."""
    if is_object(document):
        for name, value in document.items():
            word = name.replace("_", " ")
            yield from _facts(value, f"{place}, {word}" if place else word)
    elif is_array(document):
        for number, value in enumerate(document, 1):
            yield from _facts(value, f"{place} {number}".strip())
    elif document is not None and document != "":
        yield place, str(document)


def _scope(invoice: Invoice) -> tuple[str, ...]:
    period = (
        (f"{invoice.first_date} to {invoice.last_date}",) if invoice.first_date else ()
    )
    return (
        f"of {invoice.tenant.name}",
        *period,
        "days of the tenant's zone",
        "excluding tax",
        f"in {invoice.currency}",
        "final" if invoice.number else "so far",
    )


def _crumbs(invoice: Invoice, frame: Frame) -> tuple[Crumb, ...]:
    number = f"Invoice {invoice.number}" if invoice.number else "Draft invoice"
    return (Crumb(number, frame.leads(invoice)),)


def _file_name(invoice: Invoice, position: int) -> str:
    return f"invoice-{invoice.number or 'draft'}-line-{position}"


def _day_file_name(invoice: Invoice, position: int, date: dt.date) -> str:
    return f"{_file_name(invoice, position)}-{date}"


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise NotFound(f"'{text}' is no day.") from None


def _after(query: Query) -> UUID | None:
    text = query.get(_AFTER, "")
    try:
        return UUID(text) if text else None
    except ValueError:
        raise InvalidRequest("Give the id of a request.", param=_AFTER) from None
