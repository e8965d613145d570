"""From use to cash: a month's use, step by step, and the rows of each gap between."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.orm.snapshot import snapshot
from kit.wording import counted
from metering.ledger.months import month_after
from metering.receivables.funnel import Funnel, Uninvoiced, Unposted, Why, use_to_cash
from pages.access import staff_page
from pages.design import cells
from pages.design.address import address
from pages.design.badges import Badge, Tone
from pages.design.cells import Kind
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, money_tile, percent_tile
from pages.finance.choice import Option
from pages.finance.drawings import Drawing, steps_drawing
from pages.finance.scope import Scope, scope_of
from pages.finance.sections import SEE_LEDGER


@dataclass(frozen=True, slots=True)
class Step:
    """A figure on the way, or what lies between two of them."""

    name: str
    picos: int
    currency: str
    note: str = ""
    is_gap: bool = False
    address: str = ""
    whole_picos: int = 0
    """What the bar of the step is a part of."""

    @property
    def share(self) -> int:
        """Return the length of its bar, per mille; a gap has none."""
        if self.is_gap or self.whole_picos <= 0 or self.picos <= 0:
            return 0
        return max(min(1000 * self.picos // self.whole_picos, 1000), 1)


STEPS: Table[Step] = Table(
    name="steps",
    title="Step by step",
    note="A step and the gap below it come to the next step. Invoices are those of "
    "periods whose last day is in the month.",
    columns=(
        Column(
            "step",
            "Step",
            lambda row: cells.words(
                f"{'less ' if row.is_gap and row.picos <= 0 else ''}"
                f"{'plus ' if row.is_gap and row.picos > 0 else ''}{row.name}",
                address=row.address,
                note=row.note,
            ),
        ),
        Column(
            "amount",
            "Amount",
            lambda row: cells.money(row.picos, row.currency, share=row.share),
            Kind.NUMBER,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
)
UNPOSTED: Table[Unposted] = Table(
    name="not-in-the-books",
    title="Not in the books yet",
    note="A day is booked once it is over, an hour and a lease's life later, and its "
    "use is proven complete.",
    is_one_of_many=True,
    usual_sort="date",
    columns=(
        Column(
            "date", "Day", lambda row: cells.day(row.date), sort=lambda row: row.date
        ),
        Column(
            "tenant",
            "Tenant",
            lambda row: cells.words(
                row.tenant,
                address=reverse("finance:usage")
                + address(
                    {
                        "tenant": row.tenant,
                        "from": f"{row.date}",
                        "to": f"{row.date}",
                    }
                ),
            ),
            sort=lambda row: row.tenant,
        ),
        Column("ends", "Ends, UTC", lambda row: cells.instant(row.ends_at)),
        Column(
            "amount",
            "Amount",
            lambda row: cells.money(row.picos, row.currency),
            Kind.NUMBER,
            sort=lambda row: row.picos,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
    empty=Empty(
        "All of it is in the books", "No day of this month waits to be taken over."
    ),
)
_TONES = {Why.CLOSING: Tone.WAIT, Why.DRAFT: Tone.WAIT}
UNINVOICED: Table[Uninvoiced] = Table(
    name="not-invoiced",
    title="Not invoiced yet",
    is_one_of_many=True,
    usual_sort="-amount",
    columns=(
        Column(
            "tenant",
            "Tenant",
            lambda row: cells.words(row.tenant),
            sort=lambda row: row.tenant,
        ),
        Column(
            "why",
            "Why",
            lambda row: cells.state(
                Badge(str(row.why), _TONES.get(row.why, Tone.PLAIN)), note=row.problem
            ),
            sort=lambda row: row.why,
        ),
        Column(
            "until",
            "Period ends before",
            lambda row: cells.day(row.until) if row.until else cells.nothing("-"),
            sort=lambda row: row.until,
        ),
        Column(
            "amount",
            "Amount",
            lambda row: cells.money(row.picos, row.currency),
            Kind.NUMBER,
            sort=lambda row: row.picos,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
    empty=Empty(
        "All of it is invoiced", "Every tenant's use of this month is on an invoice."
    ),
)


def steps_of(found: Funnel) -> list[Step]:
    """Return the steps of a funnel, each followed by the gaps to the next."""
    bill, picos = found.invoiced, found.picos
    subtotal, charged = picos(bill.subtotal_minor), picos(bill.charged_minor)
    unposted = sum(row.picos for row in found.unposted)
    uninvoiced = sum(row.picos for row in found.uninvoiced)
    not_due = bill.open_minor - bill.overdue_minor
    owed = reverse("finance:receivables") + address({"currency": found.currency})
    rows = (
        ("Metered", found.metered_picos, "what all events come to, each at its price"),
        (
            "not rated into a day yet",
            -found.unrated_picos,
            f"{found.unrated_events} events wait",
        ),
        ("Rated", found.rated_picos, "days as they are rolled up"),
        (
            "not in the books yet",
            -unposted,
            "days that run or wait",
            "#not-in-the-books",
        ),
        ("In the books", found.posted_picos, "revenue from use"),
        (
            "not invoiced yet",
            -uninvoiced,
            "by tenant, with the reason",
            "#not-invoiced",
        ),
        ("On invoices", found.on_invoices_picos, "at its price, before plans"),
        (
            "what plans make of it",
            subtotal - found.on_invoices_picos,
            "tiers, fees, discounts, other periods' use, rounding",
        ),
        ("Invoiced before tax", subtotal, f"{bill.invoices} invoices"),
        ("tax", picos(bill.tax_minor), ""),
        ("Charged", charged, "tax included"),
        ("credited by notes", -picos(bill.credited_minor), ""),
        ("given up", -picos(bill.written_off_minor), ""),
        ("open, not due", -picos(not_due), "", owed),
        ("overdue", -picos(bill.overdue_minor), "", owed),
        ("paid from credit", -picos(bill.from_credit_minor), "credit of before"),
        ("Collected", picos(bill.paid_minor), "money that came in and stayed"),
    )
    whole = max(found.metered_picos, charged)
    return [
        Step(
            name,
            amount,
            found.currency,
            note,
            is_gap=not name[0].isupper(),
            address=leads[0] if leads and amount else "",
            whole_picos=whole,
        )
        for name, amount, note, *leads in rows
    ]


@require_safe
@staff_page(*SEE_LEDGER)
def page(request: HttpRequest) -> HttpResponse:
    """Show a month's use followed to cash."""
    with snapshot():
        scope = scope_of(request)
        found = funnel_of(scope)
        steps = steps_of(found)
        if wants_file(STEPS, scope.query):
            name = f"use-to-cash-{scope.slug}"
            return file_of(STEPS, steps, scope.query, name=name)
        if wants_file(UNPOSTED, scope.query):
            name = f"not-in-the-books-{scope.slug}"
            return file_of(UNPOSTED, found.unposted, scope.query, name=name)
        if wants_file(UNINVOICED, scope.query):
            name = f"not-invoiced-{scope.slug}"
            return file_of(UNINVOICED, found.uninvoiced, scope.query, name=name)
        context = {
            "heading": Heading(
                "From use to cash",
                scope=(*scope.said, "as of now"),
                fresh=scope.fresh(),
                lead="Where a month's use stands on its way to money, and what is "
                "between.",
            ),
            "controls": [("Month", _months(scope))],
            "form": scope.filters,
            "empty": scope.empty,
            "hero": tiles_of(scope, found),
            "charts": [drawing_of(scope, steps)] if scope.currency else [],
            "tables": [
                STEPS.laid_out(steps, scope.query),
                UNPOSTED.laid_out(found.unposted, scope.query),
                UNINVOICED.laid_out(found.uninvoiced, scope.query),
            ],
        }
    return render(request, "pages/finance/page.html", context)


def _months(scope: Scope) -> list[Option]:
    """Return the ways to the months of which there is most to see."""
    return [
        Option(
            f"{month:%B}",
            reverse("finance:funnel") + scope.address(month=f"{month:%Y-%m}"),
            month == scope.month,
        )
        for month in (month_after(scope.this_month, -1), scope.this_month)
    ]


def drawing_of(scope: Scope, steps: list[Step], *, to: str = "") -> Drawing:
    """Draw the steps; links within the page lead `to` where it is another one."""
    return steps_drawing(
        [
            (
                step.name,
                step.picos,
                f"{to}{step.address}" if step.address.startswith("#") else step.address,
                step.is_gap,
            )
            for step in steps
        ],
        currency=scope.currency,
        when=scope.name,
    )


def funnel_of(scope: Scope) -> Funnel:
    """Read the funnel of a scope."""
    return use_to_cash(month=scope.month, currency=scope.currency, now=scope.now)


def tiles_of(scope: Scope, found: Funnel, *, to: str = "") -> list[Tile]:
    """Return the steps at a glance."""
    bill, currency = found.invoiced, scope.currency
    if not currency:
        return []
    collected = found.picos(bill.paid_minor + bill.from_credit_minor)
    return [
        money_tile("Metered", found.metered_picos, currency, address=f"{to}#steps"),
        money_tile(
            "In the books",
            found.posted_picos,
            currency,
            address=f"{to}#not-in-the-books",
            note=counted(
                len(found.unposted),
                "day is not, or not whole",
                "days are not, or not whole",
            ),
        ),
        money_tile(
            "On invoices",
            found.on_invoices_picos,
            currency,
            address=f"{to}#not-invoiced",
            note=counted(
                len(found.uninvoiced),
                "tenant has use that is not",
                "tenants have use that is not",
            ),
        ),
        money_tile(
            "Charged",
            found.picos(bill.charged_minor),
            currency,
            address=f"{to}#steps",
            note=f"on {bill.invoices} invoices, tax included",
        ),
        percent_tile(
            "Paid of charged",
            collected,
            found.picos(bill.charged_minor),
            address=f"{to}#steps",
            note="in money or from credit",
        ),
    ]
