"""Billing at a glance: what is owed, what comes next, what is left, how it is paid.

What the running period comes to is its use so far; where it will likely end is a range
of the last four weeks' days, before fees, discounts, credit and tax.

Failure: a tenant whose calendar is not written yet has no next invoice, and says so.
"""

import datetime as dt
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.acting import current
from kit.errors import NotFound
from kit.scopes import Scope
from metering.billing.models import Invoice
from metering.collection.models import PaymentMethod
from metering.collection.selectors import payment_methods
from metering.economics.forecasting import SAMPLE_DAYS, Forecast, forecast
from metering.ledger.wallets import Wallet, wallet
from metering.topups.models import TopUp, TopUpRule
from metering.topups.selectors import rules, top_ups
from metering.topups.services import OFFLINE
from metering.usage.periods import running_period
from metering.usage.selectors import Dimension, UsageQuery, database_now, usage
from metering.usage.spans import Span
from metering.usage.zones import ONE_DAY, date_at
from pages.console.billing.reading import issued, open_minor, said_at, state_of
from pages.console.billing.tables import short_table_of
from pages.console.place import place_page, require
from pages.design import cells
from pages.design.address import query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind
from pages.design.files import FILE_ROWS_MAX, file_of, first_of, wants_file
from pages.design.heading import Heading
from pages.design.paging import page_of
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, minor_tile, missing_tile, money_tile
from pages.figures import rounded
from tenants.models import Member, Tenant

RECENT_MAX = 5
_TONES = {
    TopUp.State.PAID: Tone.GOOD,
    TopUp.State.FAILED: Tone.BAD,
    TopUp.State.CANCELLED: Tone.OVER,
}


@dataclass(frozen=True, slots=True)
class Coming:
    """The running period: its days, what was used so far, where it will likely end."""

    span: Span
    found: Forecast


def _top_up_at(row: TopUp) -> Cell:
    return said_at(row.asked_at, row.tenant)


def _method(row: PaymentMethod) -> str:
    ending = f" ending in {row.last4}" if row.last4 else ""
    return f"{row.brand or row.kind}{ending}".replace("_", " ")


def _expires(row: PaymentMethod) -> Cell:
    if not row.exp_year or not row.exp_month:
        return cells.nothing("never")
    return cells.words(f"{row.exp_year}-{row.exp_month:02d}")


METHODS: Table[PaymentMethod] = Table(
    name="methods",
    title="Payment methods",
    is_one_of_many=True,
    columns=(
        Column("method", "Method", lambda row: cells.words(_method(row))),
        Column("expires", "Expires", _expires),
        Column(
            "default",
            "Used for",
            lambda row: cells.words("all payments" if row.is_default else "nothing"),
        ),
    ),
    has_file=False,
    empty=Empty(
        "No payment method",
        "One is kept as you pay for credit on the provider's page, or add it there.",
    ),
)
TOP_UPS: Table[TopUp] = Table(
    name="top-ups",
    title="Credit bought",
    file_rows_max=FILE_ROWS_MAX,
    is_one_of_many=True,
    columns=(
        Column("asked", "When", _top_up_at),
        Column(
            "amount",
            "Amount",
            lambda row: cells.minor(row.amount_minor, row.currency),
            Kind.NUMBER,
        ),
        Column("currency", "Currency", lambda row: cells.unit(row.currency), Kind.UNIT),
        Column("way", "Paid", lambda row: cells.words(row.get_way_display())),
        Column(
            "by",
            "Asked by",
            lambda row: cells.words("the rule" if row.by_rule else "a person"),
        ),
        Column(
            "state",
            "State",
            lambda row: cells.state(
                Badge(
                    str(row.get_state_display()),
                    _TONES.get(TopUp.State(row.state), Tone.WAIT),
                ),
                note=row.problem,
            ),
        ),
    ),
)


@require_safe
@place_page
def page(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Show what a tenant owes, what comes next, and how it is paid."""
    require(Scope.BILLING_READ)
    tenant, now, query = place.tenant, database_now(), query_of(request.GET)
    bought = top_ups(tenant=tenant).select_related("tenant")
    if wants_file(TOP_UPS, query):
        rows, cut = first_of(TOP_UPS, bought)
        return file_of(TOP_UPS, rows, query, name=f"top-ups-{tenant.slug}{cut}")
    coming = coming_of(tenant, now=now)
    recent = list(issued(tenant)[:RECENT_MAX])
    is_online = settings.BILLING_PROVIDER != OFFLINE
    found_rule = rules(tenant=tenant).first()
    shown = short_table_of(now).laid_out(recent, {}, count=len(recent))
    context = {
        "place": place,
        "heading": Heading(
            "Balance",
            scope=(
                *([f"period {coming.span.name}, so far"] if coming else []),
                f"days of {tenant.zone}",
                f"in {tenant.currency}",
            ),
            lead="What is owed, what comes next, and how it is paid.",
        ),
        "hero": [*_owed(tenant, now), *_left(tenant, now), *_next(tenant, coming)],
        "rule": found_rule,
        "rule_words": _rule_words(found_rule, tenant),
        "may_pay": current().may(Scope.BILLING_WRITE),
        "is_prepaid": tenant.payment_mode == Tenant.PaymentMode.PREPAID,
        "is_online": is_online,
        "recent": shown if recent else None,
        "tables": [
            *([METHODS.laid_out(_methods(tenant), query)] if is_online else []),
            *([page_of(TOP_UPS, bought, query)] if bought.exists() else []),
        ],
    }
    return render(request, "pages/console/billing/overview.html", context)


def coming_of(tenant: Tenant, *, now: dt.datetime) -> Coming | None:
    """Return what the running period came to and where it will likely end."""
    try:
        span = running_period(tenant_id=tenant.pk, at=now)
    except NotFound:
        return None
    today = date_at(now, tenant.zone)
    since = min(span.first_date, today - SAMPLE_DAYS * ONE_DAY)
    asked = UsageQuery(
        start=since,
        end=today + ONE_DAY,
        group_by=(Dimension.DAY,),
        tenant_id=tenant.pk,
    )
    days: dict[dt.date, int] = {}
    for row in usage(asked, now=now).rows:
        if row.currency == tenant.currency and row.group.day is not None:
            days[row.group.day] = days.get(row.group.day, 0) + row.charge_picos
    # Today is not over: what it comes to is known, and the rest of it is not.
    so_far = sum(picos for day, picos in days.items() if day >= span.first_date)
    found = forecast(
        days,
        first=span.first_date,
        end=span.end_date,
        last=today - ONE_DAY,
        began=date_at(tenant.created_at, tenant.zone),
    )
    return Coming(
        span,
        Forecast(
            so_far_picos=so_far,
            estimate_picos=max(found.estimate_picos, so_far),
            low_picos=max(found.low_picos, so_far),
            high_picos=max(found.high_picos, so_far),
            left=found.left,
            sampled=found.sampled,
        ),
    )


def _owed(tenant: Tenant, now: dt.datetime) -> list[Tile]:
    found = list(issued(tenant).filter(state=Invoice.State.OPEN))
    late = any(state_of(row, now=now).tone is Tone.BAD for row in found)
    address = reverse("console:invoices", args=[tenant.slug])
    due = [row.due_date for row in found if row.due_date]
    return [
        minor_tile(
            "Amount due",
            sum(open_minor(row) for row in found),
            tenant.currency,
            address=address,
            note=f"first due {min(due)}" if due else "nothing is open",
            badge=Badge("overdue", Tone.BAD) if late else None,
        )
    ]


def _left(tenant: Tenant, now: dt.datetime) -> list[Tile]:
    found: Wallet = wallet(tenant=tenant, now=now)
    if not found.granted and tenant.payment_mode != Tenant.PaymentMode.PREPAID:
        return []
    address = reverse("console:credit", args=[tenant.slug])
    held = money_tile("Held", found.held, found.currency, note="by running requests")
    soon = found.expiring[0] if found.expiring else None
    return [
        money_tile(
            "Credit available", found.available, found.currency, address=address
        ),
        held,
        *(
            [
                money_tile(
                    "Expires next",
                    soon.picos,
                    found.currency,
                    note=f"on {date_at(soon.at, tenant.zone)}",
                )
            ]
            if soon
            else []
        ),
    ]


def _next(tenant: Tenant, coming: Coming | None) -> list[Tile]:
    if coming is None:
        return [missing_tile("Next invoice", note="the first period has not begun")]
    found, currency = coming.found, tenant.currency
    closes = f"closes on {coming.span.end_date}, before fees and tax"
    low, high = (
        rounded(picos, currency).shown.removesuffix(f" {currency}")
        for picos in (found.low_picos, found.high_picos)
    )
    used = money_tile("Used so far", found.so_far_picos, currency, note=closes)
    if not found.sampled:
        note = "no whole day was used yet"
        return [used, missing_tile("Likely by its end", "not yet", note=note)]
    estimate = money_tile(
        "Likely by its end",
        found.estimate_picos,
        currency,
        note=f"{low} to {high}, by the last {found.sampled} days",
    )
    return [used, estimate]


def _rule_words(rule: TopUpRule | None, tenant: Tenant) -> str:
    if rule is None or not rule.enabled:
        return ""
    currency = tenant.currency
    threshold = rounded(int(rule.threshold_picos), currency).shown
    amount = cells.minor(rule.amount_minor, currency).shown
    most = cells.minor(rule.period_max_minor, currency).shown
    return (
        f"Below {threshold}, {amount} {currency} is bought by itself, at most {most}"
        f" {currency} a period."
    )


def _methods(tenant: Tenant) -> list[PaymentMethod]:
    return list(payment_methods(tenant=tenant))
