"""The report of a month: one page to print, whose parts tie out against each other.

Trial balance, revenue, receivables by age, credit rolled forward, corrections and tax,
each as of the month's end and each a file. It says of itself what ties and what does
not.
"""

import datetime as dt
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.errors import NotFound
from kit.money import picos_from_minor
from kit.orm.snapshot import snapshot
from kit.wording import counted
from metering.ledger.credit_months import RolledForward
from metering.ledger.earned import Earned
from metering.ledger.locking import lock_of
from metering.ledger.models import Account
from metering.ledger.months import Balanced, last_day, month_after, trial_balance
from metering.receivables.ageing import Bucket, OpenInvoice, aged
from metering.receivables.monthly import (
    Correction,
    Taxed,
    corrections,
    open_then,
    taxed,
)
from metering.usage.selectors import database_now
from pages.access import staff_page
from pages.design import cells
from pages.design.address import address
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell
from pages.design.files import file_of, wants_file
from pages.design.heading import Crumb, Heading
from pages.design.table import LaidOut, Row, Table
from pages.design.tiles import Tile, minor_tile, money_tile
from pages.finance.choice import Option
from pages.finance.credit import ROLL_FORWARD, credit_of
from pages.finance.month_tables import (
    AGEING,
    CORRECTIONS,
    REVENUE,
    TAX,
    TIES,
    TRIAL,
    AgeLine,
    EarnedLine,
    Tie,
)
from pages.finance.receivables import BUCKETS
from pages.finance.revenue import PARTS, of_month
from pages.finance.scope import Scope, scope_of
from pages.finance.sections import SEE_FILES, SEE_LEDGER


@dataclass(frozen=True, slots=True)
class Report:
    """All that a month's report says, in one currency."""

    scope: Scope
    balances: list[Balanced]
    earned: Earned
    open: list[OpenInvoice]
    corrections: list[Correction]
    taxed: list[Taxed]
    credit: list[RolledForward]

    @property
    def credit_owed_picos(self) -> int:
        """Return what is owed in credit at the month's end."""
        return sum(row.closing_picos for row in self.credit if row.is_liability)

    @property
    def open_minor(self) -> int:
        """Return what invoices say is owed at the month's end."""
        return sum(row.open_minor for row in self.open)

    def closing(self, account: Account.Kind) -> int:
        """Return what stands on an account at the month's end."""
        return sum(row.closing_picos for row in self.balances if row.account == account)

    def moved(self, account: Account.Kind) -> int:
        """Return by how much the month debited an account more than it credited it."""
        return sum(
            row.debited_picos - row.credited_picos
            for row in self.balances
            if row.account == account
        )


@require_safe
@staff_page(*SEE_LEDGER)
def index(request: HttpRequest) -> HttpResponse:
    """Lead to the report of the last month that is over."""
    month = month_after(database_now().astimezone(dt.UTC).date().replace(day=1), -1)
    return redirect("finance:report", month=f"{month:%Y-%m}")


@require_safe
@staff_page(*SEE_LEDGER)
def page(request: HttpRequest, month: str) -> HttpResponse:
    """Show a month's report, ready to be printed."""
    with snapshot():
        scope = scope_of(request, month=month_of(month))
        report = report_of(scope)
        laid: list[LaidOut] = []
        if answer := _file_or_table(scope, report, laid):
            return answer
        context = {
            "heading": Heading(
                f"Report of {scope.month:%B %Y}",
                scope=scope.said,
                crumbs=(Crumb("Finance", reverse("finance:overview")),),
                fresh=scope.fresh(),
                lead=_standing(scope),
            ),
            "months": _months(scope),
            "controls": [("Also", _also(request, scope))],
            "form": scope.filters,
            "empty": scope.empty,
            "hero": _tiles(report),
            "tables": laid,
        }
    return render(request, "pages/finance/page.html", context)


def _standing(scope: Scope) -> str:
    """Say whether the month may still change."""
    locked = lock_of(scope.month)
    if locked is None:
        return "Not locked: it may still grow. It is final once the month is closed."
    at = locked.locked_at.astimezone(dt.UTC)
    return f"Final: the month was locked at {at:%Y-%m-%d %H:%M} UTC."


def month_of(text: str) -> dt.date:
    """Return the month that an address names; raises `NotFound`."""
    year, _, number = text.partition("-")
    if not 1 <= int(number) <= 12 or int(year) < 2000:
        raise NotFound(f"There is no month {text}.")
    return dt.date(int(year), int(number), 1)


def report_of(scope: Scope) -> Report:
    """Read a month's report."""
    first, last = scope.month, last_day(scope.month)
    balances = trial_balance(month=first)
    return Report(
        scope=scope,
        balances=[row for row in balances if row.currency == scope.currency],
        earned=of_month(first, scope.currency),
        open=open_then(last=last, currency=scope.currency),
        corrections=corrections(first=first, last=last, currency=scope.currency),
        taxed=taxed(first=first, last=last, currency=scope.currency),
        credit=credit_of(scope),
    )


def ties_of(report: Report) -> list[Tie]:
    """Return what must be one figure, by its rows and by the ledger."""
    currency = report.scope.currency
    owed = sum(row.owed_minor for row in report.taxed)
    tied = (
        ("Balances sum to nothing", 0, sum(r.closing_picos for r in report.balances)),
        (
            "Open invoices are the receivable",
            picos_from_minor(report.open_minor, currency),
            report.closing(Account.Kind.RECEIVABLE),
        ),
        (
            "Tax of invoices and notes is the tax owed",
            picos_from_minor(owed, currency),
            -report.moved(Account.Kind.TAX),
        ),
        (
            "Credit rolled forward is the wallet",
            report.credit_owed_picos,
            -report.closing(Account.Kind.WALLET),
        ),
    )
    return [Tie(what, one, other, currency) for what, one, other in tied]


def _file_or_table(
    scope: Scope, report: Report, laid: list[LaidOut]
) -> HttpResponse | None:
    """Lay each table out, or answer with the file of the one that is asked for."""
    currency = scope.currency
    earned = [
        EarnedLine(heading, report.earned.parts[part], currency, note)
        for part, (heading, note) in PARTS.items()
    ]
    return (
        _add(scope, laid, TIES, ties_of(report))
        or _add(scope, laid, TRIAL, report.balances, _sums(report))
        or _add(scope, laid, REVENUE, earned, _net(report))
        or _add(scope, laid, AGEING, _ages(report), _open(report))
        or _add(scope, laid, ROLL_FORWARD, report.credit)
        or _add(scope, laid, CORRECTIONS, report.corrections)
        or _add(scope, laid, TAX, report.taxed)
    )


def _add(
    scope: Scope,
    laid: list[LaidOut],
    table: Table[Row],
    rows: list[Row],
    total: dict[str, Cell] | None = None,
) -> HttpResponse | None:
    if wants_file(table, scope.query):
        return file_of(table, rows, scope.query, name=f"{table.name}-{scope.slug}")
    totals = [total] if total and rows else []
    laid.append(table.laid_out(rows, scope.query, totals=totals))
    return None


def _sums(report: Report) -> dict[str, Cell]:
    currency, rows = report.scope.currency, report.balances
    return {
        "account": cells.words("Total"),
        "opening": cells.money(sum(row.opening_picos for row in rows), currency),
        "debited": cells.money(sum(row.debited_picos for row in rows), currency),
        "credited": cells.money(sum(row.credited_picos for row in rows), currency),
        "closing": cells.money(sum(row.closing_picos for row in rows), currency),
        "currency": cells.unit(currency),
    }


def _net(report: Report) -> dict[str, Cell]:
    return {
        "part": cells.words("Net revenue"),
        "amount": cells.money(report.earned.net_picos, report.scope.currency),
        "currency": cells.unit(report.scope.currency),
    }


def _ages(report: Report) -> list[AgeLine]:
    rows = aged(report.open)
    return [
        AgeLine(
            BUCKETS[bucket],
            sum(row.bucket == bucket for row in report.open),
            sum(row.buckets[bucket] for row in rows),
            report.scope.currency,
        )
        for bucket in Bucket
    ]


def _open(report: Report) -> dict[str, Cell]:
    return {
        "age": cells.words("Total"),
        "invoices": cells.number(len(report.open)),
        "open": cells.minor(report.open_minor, report.scope.currency),
        "currency": cells.unit(report.scope.currency),
    }


def _also(request: HttpRequest, scope: Scope) -> list[Option]:
    """Return what leads on from the report, for who may go there."""
    name = f"{scope.month:%Y-%m}"
    ways = [
        Option("Journal", reverse("finance:journal") + address({"month": name}), False)
    ]
    if request.user.has_perms(SEE_FILES):
        files = reverse("finance:files", args=[name])
        ways.append(Option("Files of the month", files, False))
    return ways


def _months(scope: Scope) -> list[Option]:
    around = (month_after(scope.month, -1), scope.month, month_after(scope.month))
    return [
        Option(
            f"{month:%b %Y}",
            reverse("finance:report", args=[f"{month:%Y-%m}"])
            + address({}, currency=scope.query.get("currency", "")),
            month == scope.month,
        )
        for month in around
        if month <= scope.this_month
    ]


def _tiles(report: Report) -> list[Tile]:
    currency = report.scope.currency
    if not currency:
        return []
    wrong = [tie for tie in ties_of(report) if not tie.holds]
    return [
        money_tile(
            "Net revenue",
            report.earned.net_picos,
            currency,
            badge=Badge("everything ties out", Tone.GOOD)
            if not wrong
            else Badge(
                counted(len(wrong), "figure differs", "figures differ"), Tone.BAD
            ),
        ),
        minor_tile(
            "Receivables",
            report.open_minor,
            currency,
            address="#ageing",
            note="open at the month's end, tax included",
        ),
        money_tile(
            "Credit owed",
            report.credit_owed_picos,
            currency,
            address="#credit",
        ),
    ]
