"""How a tenant stands, in a line of tiles above every tab."""

import datetime as dt

from django.db.models import Sum
from django.urls import reverse

from kit.money import picos_from_minor
from metering.economics.selectors import margin
from metering.ledger.wallets import Wallet, wallet
from metering.receivables.selectors import unpaid
from metering.usage import standing
from metering.usage.zones import date_at
from pages.design.badges import Badge, Tone
from pages.design.tiles import (
    Tile,
    minor_tile,
    missing_tile,
    money_tile,
    number_tile,
    percent_tile,
)
from pages.operations.shell import Reader
from pages.operations.tenant.parts import Asked
from tenants import selectors
from tenants.models import Tenant

_HOUR = dt.timedelta(hours=1)


def tiles(asked: Asked, user: Reader) -> list[Tile]:
    """Return the tiles that somebody may see."""
    tenant, now = asked.tenant, asked.now
    found = []
    if user.has_perm("usage.view_dayrollup"):
        charged = standing.charged_this_month(tenant_ids=[tenant.pk], now=now)
        requests = standing.requests_since(tenant_ids=[tenant.pk], since=now - _HOUR)
        found += [
            money_tile(
                "Spend this month",
                charged.get(tenant.pk, 0),
                tenant.currency,
                address=_tab(tenant, "usage"),
                note=f"so far, days of {tenant.zone}, excluding tax",
            ),
            number_tile(
                "Requests, last hour", requests, address=_tab(tenant, "requests")
            ),
        ]
    if user.has_perm("billing.view_invoice"):
        found.append(_owed(asked))
    if user.has_perm("ledger.view_creditgrant"):
        found.append(_credit(tenant, wallet(tenant=tenant, now=now)))
    if user.has_perm("economics.view_daymargin"):
        found.append(_margin(asked))
    if user.has_perm("tenants.view_apikey"):
        keys = selectors.api_keys(now=now, tenant_id=tenant.pk, active=True)
        found.append(
            number_tile("Active API keys", keys.count(), address=_tab(tenant, "keys"))
        )
    return found


def state_badge(tenant: Tenant) -> Badge:
    """Return whether the tenant may call."""
    is_active = tenant.state == Tenant.State.ACTIVE
    return Badge(tenant.state, Tone.GOOD if is_active else Tone.BAD)


def _owed(asked: Asked) -> Tile:
    tenant = asked.tenant
    owed = unpaid(tenant).aggregate(minor=Sum("open_minor"))["minor"] or 0
    today = date_at(asked.now, tenant.zone)
    late = unpaid(tenant).filter(due_date__lt=today)
    overdue = late.aggregate(minor=Sum("open_minor"))["minor"] or 0
    badge = None
    if overdue:
        shown = money_tile(
            "", picos_from_minor(overdue, tenant.currency), tenant.currency
        )
        badge = Badge(f"{shown.shown} {tenant.currency} overdue", Tone.BAD)
    return minor_tile(
        "Owes",
        owed,
        tenant.currency,
        address=_tab(tenant, "invoices"),
        note="open invoices, including tax",
        badge=badge,
    )


def _credit(tenant: Tenant, held: Wallet) -> Tile:
    is_prepaid = tenant.payment_mode == Tenant.PaymentMode.PREPAID
    pays = "prepaid: no call without" if is_prepaid else "pays its bills first"
    return money_tile(
        "Credit available",
        held.available,
        tenant.currency,
        address=_tab(tenant, "credit"),
        note=pays,
    )


def _margin(asked: Asked) -> Tile:
    """Return what of this month's use is left after what it cost."""
    tenant, today = asked.tenant, asked.now.date()
    first = today.replace(day=1)
    used = margin(
        currency=tenant.currency,
        first=first,
        end=today + dt.timedelta(days=1),
        tenant_id=tenant.pk,
    ).used
    label, note = "Margin this month", "so far, days of UTC, before idle time"
    if used.revenue_picos and not used.cost_picos:
        return missing_tile(label, "no costs yet", note="no rate is in force")
    return percent_tile(label, used.margin_picos, used.revenue_picos, note=note)


def _tab(tenant: Tenant, tab: str) -> str:
    return reverse("operations:tenant_tab", args=(tenant.pk, tab))
