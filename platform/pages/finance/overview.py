"""The overview: the month at a glance, each figure leading to its page.

Nothing is computed here: each tile is the figure of the page that it leads to, from the
same selector. Usage was shown at this address before; a link with its query leads on.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.orm.snapshot import snapshot
from metering.economics.selectors import margin
from metering.ledger.months import month_after
from metering.receivables.ageing import open_invoices
from pages.access import staff_page
from pages.design.address import address
from pages.design.heading import Heading
from pages.design.tiles import Tile, minor_tile, missing_tile, money_tile, percent_tile
from pages.finance.credit import liability_of
from pages.finance.funnel import drawing_of, funnel_of, steps_of, tiles_of
from pages.finance.revenue import lines_of_months, months_drawing, of_month
from pages.finance.scope import Scope, scope_of
from pages.finance.sections import SEE_LEDGER, SEE_MARGIN

# What links to the page of usage carry.
_OF_USAGE = ("range", "from", "to", "tenant", "model", "by", "show", "each")


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Show the month, or lead a link of usage to its page."""
    if any(name in request.GET for name in _OF_USAGE):
        return redirect(f"{reverse('finance:usage')}?{request.GET.urlencode()}")
    return _overview(request)


@staff_page(*SEE_LEDGER)
def _overview(request: HttpRequest) -> HttpResponse:
    with snapshot():
        scope = scope_of(request)
        lines = lines_of_months(scope)
        found = funnel_of(scope)
        funnel = reverse("finance:funnel") + _chosen(scope)
        context = {
            "heading": Heading(
                "Finance",
                scope=scope.said,
                fresh=scope.fresh(),
                lead="The month at a glance; each figure leads to its rows.",
            ),
            "form": scope.filters,
            "empty": scope.empty,
            "hero": _tiles(scope, sees_margin=request.user.has_perms(SEE_MARGIN))
            if scope.currency
            else [],
            "tiles": tiles_of(scope, found, to=funnel),
            "charts": [
                months_drawing(scope, lines),
                drawing_of(scope, steps_of(found), to=funnel),
            ]
            if lines
            else [],
        }
    return render(request, "pages/finance/page.html", context)


def _tiles(scope: Scope, *, sees_margin: bool) -> list[Tile]:
    to = {
        name: reverse(f"finance:{name}") + _chosen(scope)
        for name in ("revenue", "receivables", "credit")
    }
    invoices = open_invoices(now=scope.now, currency=scope.currency)
    late = [row.open_minor for row in invoices if row.days_overdue > 0]
    return [
        money_tile(
            "Net revenue" + (", so far" if scope.is_running else ""),
            of_month(scope.month, scope.currency).net_picos,
            scope.currency,
            address=to["revenue"],
            note=f"recognised in {scope.month:%B}",
        ),
        *([_margin(scope)] if sees_margin else []),
        minor_tile(
            "Overdue",
            sum(late),
            scope.currency,
            address=f"{to['receivables']}#invoices",
            note=f"{len(late)} of {len(invoices)} open invoices, now",
        ),
        minor_tile(
            "Receivables",
            sum(row.open_minor for row in invoices),
            scope.currency,
            address=to["receivables"],
            note="all that is open now, including tax",
        ),
        money_tile(
            "Credit owed",
            liability_of(scope).closing_picos,
            scope.currency,
            address=to["credit"],
            note="sold and not used",
        ),
    ]


def _chosen(scope: Scope) -> str:
    chosen = {"month": f"{scope.month:%Y-%m}", "currency": scope.currency}
    return address(chosen)


def _margin(scope: Scope) -> Tile:
    found = margin(
        currency=scope.currency, first=scope.month, end=month_after(scope.month)
    ).whole
    if not found.cost_picos:
        return missing_tile(
            "Gross margin",
            "no costs",
            address=reverse("finance:costs"),
            note="enter what replicas cost",
        )
    return percent_tile(
        "Gross margin",
        found.margin_picos,
        found.revenue_picos,
        address=reverse("finance:margin") + _chosen(scope),
        note="of use, idle time included",
    )
