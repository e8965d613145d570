"""A request's receipt: what happened when, and how its tokens came to what is billed.

Every figure is the metering selectors'. What nobody wrote down says so, in words.
Failure: a request of another tenant, or beyond what the member may see, is not there.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit.acting import current
from kit.contracts import CountedBy, EventKind, TokenClass
from kit.handling import KeyPart
from kit.money import decimal_from_picos, quote_per_million
from kit.scopes import Scope
from metering.billing.charged_in import ChargedIn, charged_in
from metering.billing.models import Invoice
from metering.usage.receipts import Charge, Receipt, receipt
from pages.console.log.table import status_badge, tokens_per_s
from pages.console.place import place_page, require
from pages.design.address import query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import (
    Cell,
    Kind,
    instant_in,
    money,
    nothing,
    number,
    unit,
    words,
)
from pages.design.files import file_of, wants_file
from pages.design.heading import Crumb, Heading
from pages.design.table import Column, Table
from pages.design.tiles import Tile, money_tile, number_tile
from pages.operations.measures import duration, duration_tile, milliseconds
from tenants.models import Member

NOT_RECORDED = "not recorded"
_TENTHS = 10
_CLASS_WORDS = {
    TokenClass.INPUT: "Input",
    TokenClass.CACHED_INPUT: "Cached input",
    TokenClass.OUTPUT: "Output",
}
_KIND_WORDS = {
    EventKind.REQUEST: "the request",
    EventKind.LATE: "counted late",
    EventKind.UNDELIVERED: "not delivered: given back",
    EventKind.RETRY: "tried again because of us: given back",
    EventKind.ADJUSTMENT: "set right",
}
_COUNTED = {
    CountedBy.ENGINE: "the engine",
    CountedBy.TOKENIZER: "the model's tokenizer",
    CountedBy.NONE: "nobody: nothing is billed of what was not counted",
}

_KEY_PARTS = {
    KeyPart.NONE: "none given",
    KeyPart.FIRST: "given: the first attempt with it",
    KeyPart.RETRY: "given: it tried an earlier request again",
    KeyPart.GIVEN_BACK: "given: it was tried again, and this attempt is given back",
}


@dataclass(frozen=True, slots=True)
class Step:
    """An instant of a request: what happened, and how long after its arrival."""

    name: str
    at: dt.datetime | None
    after_us: int | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """Tokens of one class in one charge, times their price."""

    charge: Charge
    token_class: TokenClass
    tokens: int
    unit_picos: int
    currency: str


LINES: Table[Line] = Table(
    name="lines",
    title="Tokens times price",
    note="Prices are per million tokens. Output includes what was spent on reasoning.",
    columns=(
        Column("class", "Tokens of", lambda row: words(_CLASS_WORDS[row.token_class])),
        Column("why", "For", lambda row: words(_KIND_WORDS[row.charge.kind])),
        Column("tokens", "Tokens", lambda row: number(row.tokens), Kind.NUMBER),
        Column(
            "price",
            "Price",
            lambda row: Cell(
                quote_per_million(row.unit_picos), quote_per_million(row.unit_picos)
            ),
            Kind.NUMBER,
        ),
        Column(
            "version",
            "Price version",
            lambda row: words(f"v{row.charge.version.number}"),
        ),
        Column(
            "spend",
            "Spend",
            lambda row: money(row.tokens * row.unit_picos, row.currency),
            Kind.NUMBER,
        ),
        Column("currency", "Currency", lambda row: unit(row.currency), Kind.UNIT),
    ),
)
FACTS: Table[tuple[str, str, str]] = Table(
    name="facts",
    title="What else is known",
    columns=(
        Column("name", "Fact", lambda row: words(row[0])),
        Column("value", "Value", lambda row: words(row[1], address=row[2]), Kind.LONG),
    ),
    has_file=False,
)


@require_safe
@place_page
def page(request: HttpRequest, *, place: Member, request_id: UUID) -> HttpResponse:
    """Show the receipt of one request."""
    require(Scope.USAGE_READ)
    tenant, query = place.tenant, query_of(request.GET)
    found = receipt(
        tenant_id=tenant.pk, request_id=request_id, reach=current().project_ids
    )
    lines = [
        Line(charge, each.token_class, each.tokens, each.unit_picos, tenant.currency)
        for charge in (found.charge, *found.corrections)
        for each in charge.lines
    ]
    if wants_file(LINES, query):
        return file_of(LINES, lines, query, name=f"receipt-{request_id}")
    zone = ZoneInfo(tenant.zone)
    log = reverse("console:requests", args=(tenant.slug,))
    context = {
        "place": place,
        "heading": Heading(
            "Receipt of a request",
            crumbs=(Crumb("Requests", log),),
            scope=(f"of {tenant.name}", f"in {tenant.zone}", "excluding tax"),
        ),
        "request_id": request_id,
        "badge": status_badge(found.request.status),
        "tiles": _tiles(found),
        "tables": [
            _steps(zone).laid_out(_timeline(found), query),
            LINES.laid_out(lines, query, totals=[_total(found)]),
            FACTS.laid_out(_facts(found, place), query),
        ],
    }
    return render(request, "pages/console/log/receipt.html", context)


def _steps(zone: ZoneInfo) -> Table[Step]:
    def at(row: Step) -> Cell:
        return nothing(NOT_RECORDED) if row.at is None else instant_in(row.at, zone)

    def after(row: Step) -> Cell:
        if row.after_us is None:
            return Cell("", "")
        return Cell(f"+{duration(row.after_us)}", milliseconds(row.after_us))

    return Table(
        name="timeline",
        title="Timeline",
        columns=(
            Column("step", "Step", lambda row: words(row.name, note=row.note)),
            Column("at", f"At, {zone.key}", at),
            Column("after", "Since it was received", after, Kind.NUMBER),
        ),
        has_file=False,
    )


def _timeline(found: Receipt) -> list[Step]:
    row = found.request
    received = row.admitted_at

    def step(name: str, after_us: int | None, note: str = "") -> Step:
        at = (
            received + dt.timedelta(microseconds=after_us)
            if after_us is not None
            else None
        )
        return Step(name, at, after_us, note)

    settled = found.settled_at
    return [
        Step("Received and admitted", received, 0),
        step("Sent to an engine", found.queue_us, "its turn came"),
        step("First token", row.first_token_us),
        step("Last token", row.last_token_us),
        step("Ended", row.duration_us, status_badge(row.status).word),
        Step(
            "Settled",
            settled,
            (settled - received) // dt.timedelta(microseconds=1),
            "the usage event was committed",
        ),
    ]


def _tiles(found: Receipt) -> list[Tile]:
    row = found.request
    corrected = Badge("corrected", Tone.WAIT) if found.corrections else None
    return [
        money_tile("Spend", row.net_charge_picos, row.currency, badge=corrected),
        number_tile(
            "Tokens", row.input_tokens + row.cached_input_tokens + row.output_tokens
        ),
        duration_tile("First token", row.first_token_us, note="since it was received"),
        duration_tile("Took", row.duration_us, note="since it was received"),
    ]


def _total(found: Receipt) -> dict[str, Cell]:
    row = found.request
    charges = (found.charge, *found.corrections)
    tokens = sum(line.tokens for charge in charges for line in charge.lines)
    adds_up = all(charge.adds_up for charge in charges)
    return {
        "class": words("Total", note="" if adds_up else "its lines differ from it"),
        "tokens": number(tokens),
        "spend": money(row.net_charge_picos, row.currency),
        "currency": unit(row.currency),
    }


def _facts(found: Receipt, place: Member) -> list[tuple[str, str, str]]:
    row, version = found.request, found.charge.version
    pace = tokens_per_s(row)
    zone = ZoneInfo(place.tenant.zone)
    begun = version.effective_at.astimezone(zone)
    log = reverse("console:requests", args=(place.tenant.slug,))
    key = (
        [("API key", row.api_key or f"{row.api_key_id}", f"{log}?key={row.api_key_id}")]
        if current().may(Scope.KEYS_READ)
        else []
    )
    return [
        ("Model", row.model, f"{log}?model={row.model}"),
        (
            "Project",
            row.project or f"{row.project_id}",
            f"{log}?project={row.project_id}",
        ),
        *key,
        ("Called", row.surface.name.lower().replace("_", " "), ""),
        ("Streamed", _streamed(found), ""),
        ("Tokens a second", _rate(pace), ""),
        ("Reasoning, within output", f"{row.reasoning_tokens:,} tokens", ""),
        ("Generated by the engine", f"{found.generated_tokens:,} tokens", ""),
        ("Tokens counted by", _COUNTED[row.counted_by], ""),
        (
            "Price version",
            f"v{version.number}, in force since {begun:%Y-%m-%d %H:%M} {zone.key}",
            "",
        ),
        *_billed(found, place),
        ("Held when it was let in", _held(found), ""),
        ("Attempts at engines", _attempts(found), ""),
        ("Idempotency key", _idempotency(found), ""),
    ]


def _streamed(found: Receipt) -> str:
    if not found.request.streamed:
        return "no"
    if found.chunks is None or found.gap_max_us is None:
        return "yes"
    gap = duration(found.gap_max_us)
    return f"yes, in {found.chunks:,} pieces, at most {gap} apart"


def _rate(tenths: int | None) -> str:
    if tenths is None:
        return "no pace: not a stream of two tokens or more"
    return f"{tenths // _TENTHS:,}.{tenths % _TENTHS}, from the first token to the last"


def _held(found: Receipt) -> str:
    """Say what was held before it ran, beside what was settled."""
    noted, most = found.handling, found.held_picos
    if most is None:
        return NOT_RECORDED
    if not (noted.held_input_tokens or noted.held_output_tokens):
        return "nothing: no budget, quota or credit bounds it"
    currency, settled = found.request.currency, found.charge.charge_picos
    rest = (
        "more was held as it went on"
        if settled > most
        else "the rest was free at its end"
    )
    return (
        f"{noted.held_input_tokens:,} input and {noted.held_output_tokens:,} output"
        f" tokens, at most {decimal_from_picos(most)} {currency};"
        f" {decimal_from_picos(settled)} {currency} was settled, {rest}"
    )


def _attempts(found: Receipt) -> str:
    tried = found.handling.attempts
    if tried is None:
        return NOT_RECORDED
    if tried == 0:
        return "none: its answer was kept from before"
    if tried == 1:
        return "1"
    return f"{tried:,}: {tried - 1:,} before the last did not take it"


def _idempotency(found: Receipt) -> str:
    part = found.request.key_part
    return NOT_RECORDED if part is None else _KEY_PARTS[part]


def _billed(found: Receipt, place: Member) -> list[tuple[str, str, str]]:
    """Say on which invoice lines its day is charged, for whoever may see invoices."""
    if not current().may(Scope.BILLING_READ):
        return [("Invoice", "your role sees no invoices", "")]
    charges = (found.charge, *found.corrections)
    where = charged_in(
        tenant_id=place.tenant_id,
        at=found.request.admitted_at,
        price_ids={charge.version.price_id for charge in charges},
        with_drafts=False,
    )
    if where is None:
        return [("Invoice", "not yet: its billing day is not known", "")]
    classes = {line.token_class for charge in charges for line in charge.lines}
    lines = [line for line in where.lines if line.token_class in classes]
    if not lines:
        return [("Invoice", _unbilled(where), "")]
    return [
        (
            "Invoice line",
            f"{_number(line.invoice)}, line {line.position}: {line.description}",
            reverse(
                "console:invoice_line",
                args=(place.tenant.slug, line.invoice.public_id, line.position),
            ),
        )
        for line in lines
    ]


def _number(invoice: Invoice) -> str:
    return invoice.number or "an invoice without a number yet"


def _unbilled(where: ChargedIn) -> str:
    last = where.day.period_end - dt.timedelta(days=1)
    return (
        f"none yet by itself: its day is of the period {where.day.period_start} to"
        f" {last}"
    )
