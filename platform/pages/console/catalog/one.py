"""One model: what it takes and costs, what a use of it would come to, how to call it.

Amounts are exact: tokens times the price of a token. Failure: a model that is not
offered is 404; a number of tokens that makes no sense is said beside its field.
"""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from inference.control.selectors import served_model
from inference.openai.tasks import Task
from kit.acting import current
from kit.contracts import LinearPrice, TokenCounts
from kit.number_fields import WholeField
from kit.scopes import Scope
from metering.pricing.own import price_history
from metering.pricing.rating import charge_picos
from metering.usage.selectors import database_now
from pages.access import live_page
from pages.console.catalog.history import history_table
from pages.console.catalog.offers import MILLION, Offer, offers
from pages.console.frame import way_to
from pages.console.place import place_page, require
from pages.console.start.snippets import CLIENTS, Here
from pages.design.address import query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind, money, nothing, words
from pages.design.files import file_of, wants_file
from pages.design.filters import FilterForm
from pages.design.heading import Crumb, Heading
from pages.design.table import Column, LaidOut, Table
from pages.design.tiles import Tile, money_tile, number_tile
from pages.figures import count
from tenants.models import Member, Tenant

TOKENS_MAX = 10**12
REQUESTS_MAX = 10**6
_CLASSES = (
    ("input", "Input"),
    ("cached_input", "Cached input"),
    ("output", "Output, reasoning included"),
)


class UseForm(FilterForm):
    """A use whose price is asked for."""

    input = WholeField(
        label="Input tokens", min_value=0, max_value=TOKENS_MAX, required=False
    )
    cached = WholeField(
        label="of these cached", min_value=0, max_value=TOKENS_MAX, required=False
    )
    output = WholeField(
        label="Output tokens", min_value=0, max_value=TOKENS_MAX, required=False
    )
    requests = WholeField(
        label="Such requests", min_value=1, max_value=REQUESTS_MAX, required=False
    )

    def __init__(self, asked: QueryDict) -> None:
        usual = {"input": "1000", "output": "500", "cached": "0", "requests": "1"}
        filled = QueryDict(mutable=True)
        filled.update({**usual, **{k: v for k, v in query_of(asked).items() if v}})
        super().__init__(filled)

    def clean(self) -> None:
        """Refuse more cached tokens than there are."""
        given = self.cleaned_data
        if (given.get("cached") or 0) > (given.get("input") or 0):
            self.add_error("cached", "No more than the input tokens.")

    @property
    def counts(self) -> TokenCounts:
        """Return the tokens of all the requests."""
        given = self.cleaned_data
        times = given["requests"] or 1
        cached = given["cached"] or 0
        return TokenCounts(
            input_tokens=((given["input"] or 0) - cached) * times,
            cached_input_tokens=cached * times,
            output_tokens=(given["output"] or 0) * times,
        )


@dataclass(frozen=True, slots=True)
class _PriceLine:
    """What a million tokens of a class cost, now and from the next change on."""

    label: str
    now: int
    then: int | None


@require_safe
@live_page
@place_page
def model(request: HttpRequest, *, place: Member, model_id: int) -> HttpResponse:
    """Show one."""
    require(Scope.CATALOG_READ)
    tenant, now = place.tenant, database_now()
    row = served_model(model_id, enabled=True)
    (offer,) = offers([row], tenant=tenant, now=now)
    query, history = query_of(request.GET), history_table(tenant, now=now)
    spans = price_history(tenant_id=tenant.pk, model=row.name)[::-1]
    if wants_file(history, query):
        return file_of(
            history, spans, query, name=f"prices-{tenant.slug}-model-{row.pk}"
        )
    form = UseForm(request.GET)
    price = offer.price.price if offer.price else None
    context = {
        "place": place,
        "heading": _heading(tenant, offer),
        "offer": offer,
        "retirement": _retirement(tenant, offer),
        "tiles": _tiles(offer),
        "facts": _facts(offer),
        "prices": _prices(tenant, offer) if price else None,
        "history": history.laid_out(spans, query) if spans else None,
        "form": form,
        "spend": money_tile("Spend", charge_picos(price, form.counts), tenant.currency)
        if form.is_valid() and price
        else None,
        "ways": _ways(tenant, row.name)
        if current().may(Scope.GENERATE) and not offer.is_retired
        else [],
        "call": CLIENTS[0].write(Here(settings.PUBLIC_URL.rstrip("/"), row.name))[0]
        if Task.CHAT in row.tasks
        else None,
    }
    return render(request, "pages/console/catalog/model.html", context)


def _heading(tenant: Tenant, offer: Offer) -> Heading:
    return Heading(
        offer.model.name,
        scope=(tenant.currency, "excluding tax", f"times in {tenant.zone}"),
        crumbs=(Crumb("Models and prices", way_to(tenant, "console:models")),),
        lead=offer.model.description,
    )


@dataclass(frozen=True, slots=True)
class Retirement:
    """When a model retires or did, and the way to what is to be called instead."""

    is_over: bool
    badge: Badge
    at: str
    successor: str = ""
    address: str = ""


def _retirement(tenant: Tenant, offer: Offer) -> Retirement | None:
    at, successor = offer.model.retires_at, offer.model.takes_over
    if at is None:
        return None
    said = f"{_at(at, ZoneInfo(tenant.zone))} {tenant.zone}"
    badge = (
        Badge("retired", Tone.BAD) if offer.is_retired else Badge("retiring", Tone.WAIT)
    )
    if successor is None:
        return Retirement(offer.is_retired, badge, said)
    there = reverse("console:model", args=(tenant.slug, successor.pk))
    return Retirement(offer.is_retired, badge, said, successor.name, there)


def _tiles(offer: Offer) -> list[Tile]:
    found = [
        number_tile("Context", offer.model.context_tokens, unit="tokens"),
        number_tile(
            "Longest answer",
            offer.model.max_output_tokens or offer.model.context_tokens,
            unit="tokens",
        ),
    ]
    if offer.speed:
        of = f"median of your latest {count(offer.speed.requests)}, 24 h at most"
        first = offer.speed.first_token_us // 1000
        found.append(number_tile("First token after", first, unit="ms", note=of))
        if offer.speed.tokens_per_s is not None:
            found.append(
                number_tile("Speed", offer.speed.tokens_per_s, unit="tokens/s", note=of)
            )
    return found


def _facts(offer: Offer) -> list[tuple[str, str]]:
    row = offer.model
    found = [
        ("Serves", ", ".join(row.tasks)),
        ("Takes", ", ".join(row.modalities)),
        ("Tools", "yes" if row.allows_tools else "no"),
    ]
    if row.choices_max:
        found.append(("Answers a request", f"{row.choices_max} at most"))
    if row.defaults:
        said = ", ".join(f"{name} {value}" for name, value in row.defaults.items())
        found.append(("Where a request says nothing", said))
    others = [each.name for each in row.fallbacks if each.enabled]
    if others:
        found.append(("In its place, if it cannot answer", ", ".join(others)))
    return found


def _prices(tenant: Tenant, offer: Offer) -> LaidOut:
    price, zone = offer.price, ZoneInfo(tenant.zone)
    assert price is not None  # noqa: S101 - for the type checker
    columns: list[Column[_PriceLine]] = [
        Column("class", "A million tokens", lambda row: words(row.label)),
        Column(
            "now",
            f"Since {_at(offer.since or price.effective_at, zone)}",
            lambda row: money(row.now, tenant.currency),
            Kind.NUMBER,
        ),
    ]
    if offer.changes_at is not None:

        def then(row: _PriceLine) -> Cell:
            if row.then is None:
                return nothing("no price")
            return money(row.then, tenant.currency)

        columns.append(
            Column("then", f"From {_at(offer.changes_at, zone)}", then, Kind.NUMBER)
        )
    table: Table[_PriceLine] = Table(
        name="prices",
        title=f"Your prices, {tenant.currency}",
        columns=columns,
        is_one_of_many=True,
        has_file=False,
        note=f"Version {price.version} of your price book.",
    )
    return table.laid_out(_lines(price.price, offer), {})


def _lines(price: LinearPrice, offer: Offer) -> list[_PriceLine]:
    coming = offer.coming
    lines = [
        _PriceLine(
            label,
            getattr(price, f"{name}_picos") * MILLION,
            getattr(coming, f"{name}_picos") * MILLION if coming else None,
        )
        for name, label in _CLASSES
    ]
    if kept := offer.cached_answer:
        lines.append(
            _PriceLine(
                "Output given again from the cache", kept.output_picos * MILLION, None
            )
        )
    return lines


def _at(at: dt.datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"


def _ways(tenant: Tenant, name: str) -> list[tuple[str, str]]:
    """Return where the model can be tried."""
    return [
        ("Try it", f"{way_to(tenant, 'console:playground')}?model={name}"),
        ("Call it", f"{way_to(tenant, 'console:start')}?model={name}"),
    ]
