"""The recurring revenue page: what plans bring a month, what moved it, and which plans.

Apart from what was earned: a fee that is agreed is no revenue before it is earned, and
use is none of it at all. As of the last day of a month, or of today while it runs.
"""

import datetime as dt
from functools import partial

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.orm.snapshot import snapshot
from metering.ledger.months import last_day, month_after
from metering.subscriptions.recurring import (
    ByPlan,
    Moved,
    Recurring,
    Why,
    holdings,
    recurring,
)
from pages.access import staff_page
from pages.charts.bridge import Step, bridge
from pages.charts.measure import Measure
from pages.design import cells
from pages.design.address import address
from pages.design.cells import Cell, Kind
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, money_tile
from pages.finance.drawings import Drawing
from pages.finance.revenue import slugs_of
from pages.finance.scope import Scope, scope_of
from pages.finance.sections import SEE_PLANS

EMPTY = Empty(
    "No plan with a fee",
    "No tenant held a plan with a fee on these days. What tenants pay for use stands "
    "on the page of revenue.",
)


def _picos(name: str, row: ByPlan | Moved) -> Cell:
    return cells.money(getattr(row, name), row.currency)


PLANS: Table[ByPlan] = Table(
    name="plans",
    title="By plan",
    usual_sort="-closing",
    is_one_of_many=True,
    empty=EMPTY,
    note="Committed is what a month comes to at least, use included: it is no fee and "
    "in no sum of them.",
    columns=(
        Column(
            "plan",
            "Plan",
            lambda row: cells.words(row.plan),
            sort=lambda row: row.plan,
        ),
        Column(
            "tenants",
            "Tenants",
            lambda row: cells.number(row.tenants),
            Kind.NUMBER,
            sort=lambda row: row.tenants,
        ),
        Column(
            "opening",
            "Before",
            partial(_picos, "opening_picos"),
            Kind.NUMBER,
            sort=lambda row: row.opening_picos,
        ),
        Column(
            "closing",
            "A month",
            partial(_picos, "closing_picos"),
            Kind.NUMBER,
            sort=lambda row: row.closing_picos,
        ),
        Column(
            "committed",
            "Committed",
            partial(_picos, "commitment_picos"),
            Kind.NUMBER,
            sort=lambda row: row.commitment_picos,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
    ),
)


def _tenants(slugs: dict[int, str]) -> Table[Moved]:
    def name(row: Moved) -> str:
        return slugs.get(row.tenant_id, f"tenant {row.tenant_id}")

    return Table(
        name="tenants",
        title="By tenant",
        usual_sort="-moved",
        is_one_of_many=True,
        empty=EMPTY,
        columns=(
            Column("tenant", "Tenant", lambda row: cells.words(name(row)), sort=name),
            Column(
                "why",
                "What moved",
                lambda row: cells.words(row.why or "nothing"),
                sort=lambda row: row.why or "~",
            ),
            Column(
                "opening",
                "Before",
                partial(_picos, "opening_picos"),
                Kind.NUMBER,
                sort=lambda row: row.opening_picos,
            ),
            Column(
                "moved",
                "Moved by",
                partial(_picos, "picos"),
                Kind.NUMBER,
                sort=lambda row: abs(row.picos),
            ),
            Column(
                "closing",
                "A month",
                partial(_picos, "closing_picos"),
                Kind.NUMBER,
                sort=lambda row: row.closing_picos,
            ),
            Column(
                "currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT
            ),
        ),
    )


@require_safe
@staff_page(*SEE_PLANS)
def page(request: HttpRequest) -> HttpResponse:
    """Show recurring revenue at the end of a month, and what moved it."""
    with snapshot():
        scope = scope_of(request)
        opens, closes = last_day(month_after(scope.month, -1)), _closes(scope)
        found = recurring(
            holdings(), currency=scope.currency, opens=opens, closes=closes
        )
        tenants = _tenants(slugs_of(row.tenant_id for row in found.of_tenants))
        if wants_file(PLANS, scope.query):
            name = f"recurring-by-plan-{scope.slug}"
            return file_of(PLANS, found.plans, scope.query, name=name)
        if wants_file(tenants, scope.query):
            name = f"recurring-by-tenant-{scope.slug}"
            return file_of(tenants, found.of_tenants, scope.query, name=name)
        context = {
            "heading": Heading(
                "Recurring revenue",
                scope=(
                    f"as of {closes:%Y-%m-%d}, against {opens:%Y-%m-%d}",
                    "fees a month after discounts",
                    "excluding tax",
                    *((f"in {scope.currency}",) if scope.currency else ()),
                ),
                lead="What plans bring a month, and what moved it. Use is none of it.",
            ),
            "form": scope.filters,
            "empty": scope.empty,
            "hero": _tiles(scope, found),
            "charts": [_drawing(scope, found)] if found.of_tenants else [],
            "tables": [
                PLANS.laid_out(found.plans, scope.query, totals=_total(found)),
                tenants.laid_out(found.of_tenants, scope.query),
            ],
        }
    return render(request, "pages/finance/page.html", context)


def _closes(scope: Scope) -> dt.date:
    """Return the last day of the month, or today while it runs."""
    return min(last_day(scope.month), scope.now.astimezone(dt.UTC).date())


def _tiles(scope: Scope, found: Recurring) -> list[Tile]:
    if not scope.currency:
        return []
    moved = found.closing_picos - found.opening_picos
    return [
        money_tile(
            "Recurring a month",
            found.closing_picos,
            found.currency,
            note=f"of {found.tenants:,} tenants",
            address=reverse("admin:subscriptions_subscription_changelist"),
        ),
        money_tile("Moved by", moved, found.currency, note="since the month before"),
        money_tile(
            "A year",
            found.a_year_picos,
            found.currency,
            note="twelve times, were nothing to change",
        ),
        money_tile(
            "Committed",
            found.commitment_picos,
            found.currency,
            note="least a month, use included",
        ),
    ]


def _drawing(scope: Scope, found: Recurring) -> Drawing:
    page_of = reverse("finance:mrr") + address(scope.query)
    chart = bridge(
        "recurring",
        f"What moved recurring revenue, {scope.name}",
        Measure(found.currency),
        opening=Step("Opening", found.opening_picos),
        steps=[
            Step(why.value.capitalize(), found.moved[why], f"{page_of}#tenants")
            for why in Why
        ],
        closing=Step("Closing", found.closing_picos),
    )
    return "pages/parts/bridge.html", chart


def _total(found: Recurring) -> list[dict[str, Cell]]:
    if not found.plans:
        return []
    return [
        {
            "plan": cells.words("Total"),
            "tenants": cells.number(sum(row.tenants for row in found.plans)),
            "opening": cells.money(found.opening_picos, found.currency),
            "closing": cells.money(found.closing_picos, found.currency),
            "committed": cells.money(found.commitment_picos, found.currency),
            "currency": cells.unit(found.currency),
        }
    ]
