"""The credit page: what we owe in unused credit, how it moved, and when it runs out."""

from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.orm.snapshot import snapshot
from metering.ledger.credit_months import (
    Expiring,
    RolledForward,
    left_by_expiry,
    roll_forward,
)
from pages.access import staff_page
from pages.design import cells
from pages.design.cells import Cell, Kind
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, money_tile
from pages.finance.drawings import credit_drawing
from pages.finance.scope import Scope, scope_of
from pages.finance.sections import SEE_LEDGER

KINDS = {True: "Paid or in place of money", False: "Promotional"}
# What moved credit: the field, what stands over it, and what exactly it holds.
MOVED = (
    ("opening_picos", "Opening", "What was left when the month began."),
    ("sold_picos", "Sold", "Top-ups, and money that was kept as credit."),
    ("given_picos", "Given", "Credit that nobody paid for."),
    ("used_picos", "Used", "What use took, as it is booked: once a day."),
    ("expired_picos", "Expired", "What ran out unused."),
    ("taken_back_picos", "Taken back", "Refunds, charge backs and mistakes."),
    ("other_picos", "Other", "What no usual posting moves: nothing."),
    ("closing_picos", "Closing", "What is left: the sum of all before."),
)


def _moved(name: str, row: RolledForward) -> Cell:
    return cells.money(getattr(row, name), row.currency)


ROLL_FORWARD: Table[RolledForward] = Table(
    name="credit",
    title="Credit rolled forward",
    note="Credit that was paid for, or given in place of money, is a liability. "
    "Promotional credit is a promise: it stands beside and is never in the same sum.",
    columns=(
        Column("kind", "Credit", lambda row: cells.words(KINDS[row.is_liability])),
        *(
            Column(
                name.removesuffix("_picos"),
                heading,
                partial(_moved, name),
                Kind.NUMBER,
                note=note,
            )
            for name, heading, note in MOVED
            if name != "other_picos"
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
    empty=Empty(
        "No credit yet",
        "No credit was sold or given up to the end of this month, so none is owed.",
    ),
)
EXPIRY: Table[Expiring] = Table(
    name="expiry",
    title="What is left, by when it runs out",
    note="As the books have it now: what was used today leaves it as the day is "
    "booked. Months of UTC.",
    is_one_of_many=True,
    columns=(
        Column(
            "month",
            "Runs out in",
            lambda row: cells.month(row.month) if row.month else cells.words("never"),
        ),
        Column("kind", "Credit", lambda row: cells.words(KINDS[row.is_liability])),
        Column("grants", "Grants", lambda row: cells.number(row.grants), Kind.NUMBER),
        Column(
            "left",
            "Left",
            lambda row: cells.money(row.left_picos, row.currency),
            Kind.NUMBER,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
    empty=Empty("Nothing is left", "No grant has any credit left to run out."),
)


def credit_of(scope: Scope) -> list[RolledForward]:
    """Return credit over a month, in one currency."""
    found = roll_forward(month=scope.month)
    return [row for row in found if row.currency == scope.currency]


def liability_of(scope: Scope) -> RolledForward:
    """Return credit that is a liability, over a month."""
    found = [row for row in credit_of(scope) if row.is_liability]
    return found[0] if found else RolledForward(True, scope.currency)


@require_safe
@staff_page(*SEE_LEDGER)
def page(request: HttpRequest) -> HttpResponse:
    """Show credit rolled forward over a month, and when what is left runs out."""
    with snapshot():
        scope = scope_of(request)
        rolled = credit_of(scope)
        owed = [row for row in rolled if row.is_liability]
        left = [row for row in left_by_expiry() if row.currency == scope.currency]
        if wants_file(ROLL_FORWARD, scope.query):
            name = f"credit-{scope.slug}"
            return file_of(ROLL_FORWARD, rolled, scope.query, name=name)
        if wants_file(EXPIRY, scope.query):
            return file_of(EXPIRY, left, scope.query, name=f"credit-left-{scope.slug}")
        context = {
            "heading": Heading(
                "Credit",
                scope=scope.said,
                fresh=scope.fresh(),
                lead="What we owe in credit that was sold and is not used.",
            ),
            "form": scope.filters,
            "empty": scope.empty,
            "hero": _tiles(scope, rolled),
            "charts": [credit_drawing(row, when=scope.name) for row in owed],
            "tables": [
                ROLL_FORWARD.laid_out(rolled, scope.query),
                EXPIRY.laid_out(left, scope.query),
            ],
        }
    return render(request, "pages/finance/page.html", context)


def _tiles(scope: Scope, rolled: list[RolledForward]) -> list[Tile]:
    if not rolled:
        return []
    grants = reverse("admin:ledger_creditgrant_changelist")
    owed = liability_of(scope)
    promised = sum(row.closing_picos for row in rolled if not row.is_liability)
    when = "now" if scope.is_running else f"at the end of {scope.month:%B}"
    return [
        money_tile(
            "Credit owed", owed.closing_picos, scope.currency, address=grants, note=when
        ),
        money_tile("Sold", owed.sold_picos, scope.currency, note="in the month"),
        money_tile("Used", owed.used_picos, scope.currency, note="in the month"),
        money_tile("Promised", promised, scope.currency, note="promotional, no debt"),
    ]
