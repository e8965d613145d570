"""The console's frame: whose pages these are, as what one is there, what is left.

Every page of a tenant says in its head what its credit still is, or what was spent in
the running period: the figures of the API's wallet and usage report, by the same
selectors. Whoever is kept to some projects sees what those spent.

Failure: a tenant whose calendar is not written yet has no figure, and the page stands.
Owns: nothing.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from kit.acting import current
from kit.errors import NotFound
from kit.scopes import Scope
from metering.ledger.wallets import wallet
from metering.usage.periods import running_period
from metering.usage.selectors import UsageQuery, database_now, usage
from metering.usage.spans import Span
from pages.console.place import others_of, place_of
from pages.design.tiles import Tile, money_tile
from tenants.models import Member, Tenant


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another tenant of the same person."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Bar:
    """The head of a tenant's pages."""

    place: Member
    home: str
    elsewhere: tuple[Elsewhere, ...]
    figure: Tile | None
    is_suspended: bool


def bar(request: HttpRequest) -> Bar | None:
    """Return the head of the page that is open; None outside of a tenant."""
    place = place_of(request)
    if place is None:
        return None
    return Bar(
        place=place,
        home=address_in(place.tenant)("console:tenant"),
        elsewhere=tuple(
            Elsewhere(other.tenant.name, address_in(other.tenant)("console:tenant"))
            for other in others_of(request)
        ),
        figure=figure(place, now=database_now()),
        is_suspended=current().is_suspended,
    )


def figure(place: Member, *, now: dt.datetime) -> Tile | None:
    """Return what is left of prepaid credit, or what the running period has cost."""
    tenant, actor = place.tenant, current()
    is_whole = actor.project_ids is None
    if tenant.payment_mode == Tenant.PaymentMode.PREPAID and is_whole:
        left = wallet(tenant=tenant, now=now).available
        page = way_to(tenant, "console:credit") if actor.may(Scope.BILLING_READ) else ""
        return money_tile("Credit left", left, tenant.currency, address=page)
    try:
        picos = spend(place, running_period(tenant_id=tenant.pk, at=now), now=now)
    except NotFound:
        return None
    label = "Spend so far" if is_whole else "Your projects so far"
    page = way_to(tenant, "console:usage") if actor.may(Scope.USAGE_READ) else ""
    return money_tile(label, picos, tenant.currency, address=page)


def spend(place: Member, span: Span, *, now: dt.datetime) -> int:
    """Return what a period has cost up to now, of what the member may see."""
    tenant = place.tenant
    asked = UsageQuery(
        start=span.first_date,
        end=span.end_date,
        tenant_id=tenant.pk,
        reach=current().project_ids,
    )
    totals = usage(asked, now=now).totals
    return sum(each.charge_picos for each in totals if each.currency == tenant.currency)


def address_in(tenant: Tenant) -> Callable[[str], str]:
    """Return the function that says where a page of this tenant is."""
    return lambda name: reverse(name, args=(tenant.slug,))


def way_to(tenant: Tenant, name: str, *args: object) -> str:
    """Return where a page of this tenant is."""
    return reverse(name, args=(tenant.slug, *args))


def may_open(scopes: tuple[str, ...]) -> bool:
    """Tell whether whoever acts holds the rights that a page asks for."""
    held = current()
    return all(held.may(Scope(scope)) for scope in scopes)
