"""The models that a tenant may call, what each costs it, and how it does.

Failure: a sort that is none is 400. A model without a price is listed as such.
"""

import datetime as dt
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from inference.control.selectors import served_models
from kit.scopes import Scope
from metering.usage.selectors import database_now
from pages.console.catalog.offers import MILLION, Offer, offers
from pages.console.place import place_page, require
from pages.design.address import query_of
from pages.design.cells import Cell, Kind, day, money, nothing, number, state, words
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.figures import count
from tenants.models import Member, Tenant

# As many as are read at once: far more than anybody serves.
MODELS_MAX = 1_000
EMPTY = Empty(
    "No model is served yet", "Your operator adds them; each shows here with its price."
)


@require_safe
@place_page
def models(request: HttpRequest, *, place: Member) -> HttpResponse:
    """List them."""
    require(Scope.CATALOG_READ)
    tenant, now, query = place.tenant, database_now(), query_of(request.GET)
    rows = served_models(enabled=True).order_by("name")[:MODELS_MAX]
    found = offers(rows, tenant=tenant, now=now)
    table = _table(tenant)
    if wants_file(table, query):
        return file_of(table, found, query, name=f"models-{tenant.slug}")
    heading = Heading(
        "Models and prices",
        scope=(
            tenant.currency,
            "excluding tax",
            f"dates in {tenant.zone}",
        ),
        lead="What you may call, what it costs you, and when that changes.",
    )
    context = {
        "place": place,
        "heading": heading,
        "tables": [table.laid_out(found, query)],
    }
    return render(request, "pages/console/page.html", context)


def _table(tenant: Tenant) -> Table[Offer]:
    zone = ZoneInfo(tenant.zone)
    return Table(
        name="models",
        title=f"Prices of a million tokens, {tenant.currency}",
        usual_sort="model",
        empty=EMPTY,
        note="Speeds are medians of your own latest requests, of 24 hours at most.",
        columns=(
            Column(
                "model",
                "Model",
                lambda row: words(
                    row.model.name,
                    address=reverse("console:model", args=(tenant.slug, row.model.pk)),
                    note=", ".join(row.model.tasks),
                ),
                sort=lambda row: row.model.name,
            ),
            Column(
                "state", "State", lambda row: state(row.badge, note=_retires(row, zone))
            ),
            Column(
                "context",
                "Context",
                lambda row: number(row.model.context_tokens),
                Kind.NUMBER,
                sort=lambda row: row.model.context_tokens,
            ),
            *_prices(tenant.currency),
            Column("since", "Since", lambda row: _since(row, zone)),
            Column("next", "Next change", lambda row: _next(row, zone)),
            Column(
                "first",
                "First token, ms",
                lambda row: (
                    number(row.speed.first_token_us // 1000)
                    if row.speed
                    else nothing("no calls")
                ),
                Kind.NUMBER,
                sort=lambda row: row.speed.first_token_us if row.speed else None,
            ),
            Column(
                "rate",
                "Tokens/s",
                _rate,
                Kind.NUMBER,
                sort=lambda row: row.speed.tokens_per_s if row.speed else None,
            ),
        ),
    )


def _prices(currency: str) -> tuple[Column[Offer], ...]:
    def price_of(name: str, heading: str) -> Column[Offer]:
        def picos(row: Offer) -> int | None:
            price = row.price
            return getattr(price.price, f"{name}_picos") if price else None

        def cell(row: Offer) -> Cell:
            found = picos(row)
            return (
                nothing("none") if found is None else money(found * MILLION, currency)
            )

        return Column(name, heading, cell, Kind.NUMBER, sort=picos)

    return (
        price_of("input", "Input"),
        price_of("cached_input", "Cached"),
        price_of("output", "Output"),
    )


def _retires(row: Offer, zone: ZoneInfo) -> str:
    """Return when a model retires or did, and what to call instead."""
    at, successor = row.model.retires_at, row.model.takes_over
    if at is None:
        return ""
    told = f"{'since' if row.is_retired else 'retires'} {at.astimezone(zone):%Y-%m-%d}"
    return f"{told}, then {successor.name}" if successor else told


def _since(row: Offer, zone: ZoneInfo) -> Cell:
    if row.since is None:
        return nothing("")
    return day(row.since.astimezone(zone).date())


def _next(row: Offer, zone: ZoneInfo) -> Cell:
    if row.changes_at is None:
        return nothing("none planned")
    at: dt.datetime = row.changes_at.astimezone(zone)
    return day(at.date(), note="" if row.coming else "no price from then on")


def _rate(row: Offer) -> Cell:
    if row.speed is None or row.speed.tokens_per_s is None:
        return nothing("no calls" if row.speed is None else "not measured")
    return number(row.speed.tokens_per_s, note=f"of {count(row.speed.requests)}")
