"""The tables of invoices: all of them, the lines of one, and what came of it. Pure."""

import datetime as dt
from dataclasses import dataclass, replace
from functools import partial

from django.urls import reverse

from kit.money import picos_from_minor
from metering.billing.models import Invoice, InvoiceLine
from pages.console.billing.reading import leads, open_minor, said_at, state_of
from pages.design import cells
from pages.design.cells import Cell, Kind
from pages.design.states import Empty
from pages.design.table import Column, Table


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that came of an invoice after it was issued."""

    at: dt.datetime
    what: str
    note: str
    minor: int
    invoice: Invoice


def _minor(name: str, row: Invoice) -> Cell:
    return cells.minor(getattr(row, name), row.currency)


def _period(row: Invoice) -> Cell:
    if row.first_date is None:
        return cells.words("credit bought")
    return cells.words(f"{row.first_date} to {row.last_date}")


def _date(name: str, row: Invoice) -> Cell:
    found = getattr(row, name)
    return cells.day(found) if found else cells.nothing("not yet")


def _pdf(row: Invoice) -> Cell:
    address = reverse("console:invoice_pdf", args=[row.tenant.slug, row.public_id])
    return cells.words("PDF", address=address)


def short_table_of(now: dt.datetime) -> Table[Invoice]:
    """Return the table of the latest invoices, to be looked at in passing."""
    whole = table_of(now)
    shown = ("number", "period", "due", "total", "open", "currency", "state")
    return replace(
        whole,
        title="Latest invoices",
        columns=tuple(
            replace(each, sort=None) for each in whole.columns if each.name in shown
        ),
        usual_sort="",
        has_file=False,
    )


def table_of(now: dt.datetime) -> Table[Invoice]:
    """Return the table of invoices; which are overdue is as of now."""
    return Table(
        name="invoices",
        title="Invoices",
        usual_sort="-number",
        columns=(
            Column(
                "number",
                "Number",
                lambda row: cells.words(row.number or "", address=leads(row)),
                sort=lambda row: row.pk,
            ),
            Column("period", "For", _period),
            Column(
                "issued",
                "Issued",
                partial(_date, "issued_date"),
                sort=lambda row: row.issued_date,
            ),
            Column(
                "due",
                "Due",
                partial(_date, "due_date"),
                sort=lambda row: row.due_date,
            ),
            Column(
                "total",
                "Total",
                partial(_minor, "amount_minor"),
                Kind.NUMBER,
                sort=lambda row: row.amount_minor,
                note="Tax included, what credit paid taken off.",
            ),
            Column("tax", "Tax", partial(_minor, "tax_minor"), Kind.NUMBER),
            Column("paid", "Paid", partial(_minor, "paid_minor"), Kind.NUMBER),
            Column(
                "open",
                "Open",
                lambda row: cells.minor(open_minor(row), row.currency),
                Kind.NUMBER,
            ),
            Column(
                "currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT
            ),
            Column(
                "state",
                "State",
                lambda row: cells.state(state_of(row, now=now)),
                sort=lambda row: row.state,
            ),
            Column("pdf", "Document", _pdf),
        ),
    )


_Of = InvoiceLine.Kind
_COUNTED = frozenset({_Of.USAGE, _Of.ADJUSTMENT, _Of.COMPONENT})


def _rounding(line: InvoiceLine) -> int:
    charged = picos_from_minor(line.amount_minor, line.invoice.currency)
    return charged - int(line.exact_picos)


def _class(row: InvoiceLine) -> str:
    """Return what is charged: a class of tokens, or what the line is instead."""
    return row.class_name or str(row.get_kind_display()).lower()


def _quantity(row: InvoiceLine) -> Cell:
    """Return what was counted; a fee, a tax or a top-up is one, of nothing counted."""
    is_counted = row.kind in _COUNTED
    return cells.number(row.quantity) if is_counted else cells.nothing("not counted")


LINES: Table[InvoiceLine] = Table(
    name="lines",
    title="Lines",
    note="Each line is counted exactly and rounded once, half up, to its amount. It"
    " opens to its days. Quantities of token classes are tokens, of components what the"
    " plan counts.",
    rows_per_page=200,
    columns=(
        Column(
            "line",
            "For",
            lambda row: cells.words(
                row.model or row.description,
                address=leads(row.invoice, row.position),
                note=row.description if row.kind == row.Kind.ADJUSTMENT else "",
            ),
        ),
        Column("class", "Class", lambda row: cells.words(_class(row))),
        Column("quantity", "Quantity", _quantity, Kind.NUMBER),
        Column(
            "price",
            "Per million",
            lambda row: cells.Cell(row.price_per_million, row.price_per_million),
            Kind.NUMBER,
        ),
        Column(
            "exact",
            "Exact",
            lambda row: cells.money(int(row.exact_picos), row.invoice.currency),
            Kind.NUMBER,
        ),
        Column(
            "rounding",
            "Rounding",
            lambda row: cells.money(_rounding(row), row.invoice.currency),
            Kind.NUMBER,
        ),
        Column(
            "amount",
            "Amount",
            lambda row: cells.minor(row.amount_minor, row.invoice.currency),
            Kind.NUMBER,
        ),
        Column(
            "currency",
            "Currency",
            lambda row: cells.unit(row.invoice.currency),
            Kind.UNIT,
        ),
    ),
)
HAPPENED: Table[Happened] = Table(
    name="happened",
    title="What came of it",
    is_one_of_many=True,
    columns=(
        Column("at", "When", lambda row: said_at(row.at, row.invoice.tenant)),
        Column("what", "What", lambda row: cells.words(row.what, note=row.note)),
        Column(
            "amount",
            "Amount",
            lambda row: cells.minor(row.minor, row.invoice.currency),
            Kind.NUMBER,
        ),
        Column(
            "currency",
            "Currency",
            lambda row: cells.unit(row.invoice.currency),
            Kind.UNIT,
        ),
    ),
    empty=Empty("Nothing yet", "No payment has come in for it."),
)
