"""The journal page: a month's entries for other books, and every entry as a file."""

from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.orm.snapshot import snapshot
from metering.economics.journal import Booked, Line, booked, journal
from pages.access import staff_page
from pages.design import cells
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind
from pages.design.files import file_of, stream_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, minor_tile, number_tile
from pages.finance.choice import Option
from pages.finance.scope import Scope, scope_of
from pages.finance.sections import SEE_LEDGER


def _side(row: Line, name: str) -> Cell:
    value = int(getattr(row, name))
    return cells.minor(value, row.currency) if value else cells.nothing("")


def _exact(row: Line, name: str) -> Cell:
    return cells.money(int(getattr(row, name)), row.currency)


JOURNAL: Table[Line] = Table(
    name="journal",
    title="Entries of the month",
    note="One entry for each kind of transaction, dated the month's last day, in minor "
    "units: what was booked exactly stands beside. What rounding leaves is a line of "
    "its own, and months add up to the ledger.",
    rows_per_page=200,
    empty=Empty(
        "Nothing was booked",
        "No transaction of any tenant is dated in this month, in this currency.",
    ),
    columns=(
        Column("date", "Date", lambda row: cells.day(row.date)),
        Column("entry", "Entry", lambda row: cells.words(row.kind.label.capitalize())),
        Column("code", "Code", lambda row: cells.words(row.code)),
        Column("account", "Account", lambda row: cells.words(row.name)),
        Column("debit", "Debit", partial(_side, name="debit_minor"), Kind.NUMBER),
        Column("credit", "Credit", partial(_side, name="credit_minor"), Kind.NUMBER),
        Column(
            "exact-debit",
            "Exact debit",
            partial(_exact, name="debit_picos"),
            Kind.NUMBER,
        ),
        Column(
            "exact-credit",
            "Exact credit",
            partial(_exact, name="credit_picos"),
            Kind.NUMBER,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
)
ENTRIES: Table[Booked] = Table(
    name="entries",
    title="Every entry",
    columns=(
        Column("tenant", "Tenant", lambda row: cells.words(row.tenant or "")),
        Column(
            "transaction", "Transaction", lambda row: cells.number(row.transaction_id)
        ),
        Column("kind", "Kind", lambda row: cells.words(row.kind)),
        Column("source", "Source", lambda row: cells.words(row.source)),
        Column("occurred", "Occurred", lambda row: cells.instant(row.occurred_at)),
        Column("account", "Account", lambda row: cells.words(row.account)),
        Column(
            "amount",
            "Amount",
            lambda row: cells.money(int(row.picos), row.currency),
            Kind.NUMBER,
            note="Debits above zero, credits below.",
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
)


@require_safe
@staff_page(*SEE_LEDGER)
def page(request: HttpRequest) -> HttpResponse:
    """Show a month's journal; or send every entry of it."""
    scope = scope_of(request)
    if wants_file(ENTRIES, scope.query):
        rows = booked(month=scope.month, currency=scope.currency)
        return stream_of(request, ENTRIES, rows, name=f"entries-{scope.slug}")
    with snapshot():
        lines = journal(month=scope.month, currency=scope.currency)
        if wants_file(JOURNAL, scope.query):
            return file_of(JOURNAL, lines, scope.query, name=f"journal-{scope.slug}")
        context = {
            "heading": Heading(
                "Journal",
                scope=tuple(each for each in scope.said if each != "excluding tax"),
                fresh=scope.fresh(),
                lead="What other books take over, by kind of transaction.",
            ),
            "controls": [("Also", _also(scope))],
            "form": scope.filters,
            "empty": scope.empty,
            "hero": _tiles(scope, lines),
            "tables": [JOURNAL.laid_out(lines, scope.query, totals=_total(lines))],
        }
    return render(request, "pages/finance/page.html", context)


def _also(scope: Scope) -> list[Option]:
    codes = reverse("admin:economics_accountcode_changelist")
    every = scope.address(file=ENTRIES.name)
    return [
        Option("Every entry as a file", every, False),
        Option("Codes of accounts", codes, False),
    ]


def _tiles(scope: Scope, lines: list[Line]) -> list[Tile]:
    if not scope.currency:
        return []
    debits = sum(line.debit_minor for line in lines)
    credited = sum(line.credit_minor for line in lines)
    ties = Badge("debits equal credits", Tone.GOOD)
    return [
        minor_tile(
            "Debits",
            debits,
            scope.currency,
            badge=ties if debits == credited else Badge("differs", Tone.BAD),
        ),
        minor_tile("Credits", credited, scope.currency),
        number_tile("Entries", len({line.kind for line in lines})),
        number_tile(
            "Accounts without a code",
            len({line.account for line in lines if not line.code}),
            address=reverse("admin:economics_accountcode_changelist"),
        ),
    ]


def _total(lines: list[Line]) -> list[dict[str, Cell]]:
    if not lines:
        return []
    currency = lines[0].currency
    return [
        {
            "date": cells.words("Total"),
            "debit": cells.minor(sum(line.debit_minor for line in lines), currency),
            "credit": cells.minor(sum(line.credit_minor for line in lines), currency),
            "exact-debit": cells.money(
                sum(line.debit_picos for line in lines), currency
            ),
            "exact-credit": cells.money(
                sum(line.credit_picos for line in lines), currency
            ),
            "currency": cells.unit(currency),
        }
    ]
