"""The request log as a table: one row a request, newest first, and its file.

It is in the order of admission and in no other: along that a page is read at a bounded
cost, however many requests there are.
"""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.urls import reverse

from kit.acting import current
from kit.contracts import EventStatus
from kit.scopes import Scope
from metering.usage.request_log import LoggedRequest
from pages.console.log.form import STATUS_WORDS
from pages.design.badges import Badge, Tone
from pages.design.cells import (
    Cell,
    Kind,
    instant_in,
    money,
    nothing,
    number,
    state,
    unit,
    words,
)
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.operations.measures import duration_cell
from tenants.models import Tenant

ROWS_PER_PAGE = 50
_US_PER_S = 1_000_000
_TENTHS = 10

NONE_YET = Empty(
    "No request has ended yet",
    "Each shows here as soon as it is settled; what was refused is not metered, and is"
    " only counted. Nothing of what was asked or answered is kept.",
)
NONE_FOUND = Empty(
    "No request of these filters here",
    "Take a filter away, or choose another range.",
)


def status_badge(status: EventStatus) -> Badge:
    """Return how a request ended, in words."""
    tones = {EventStatus.OK: Tone.GOOD, EventStatus.CLIENT_GONE: Tone.OVER}
    return Badge(STATUS_WORDS[status], tones.get(status, Tone.BAD))


def tokens_per_s(row: LoggedRequest) -> int | None:
    """Return how fast tokens came after the first one, in tenths a second."""
    if row.first_token_us is None or row.last_token_us is None or not row.streamed:
        return None
    span = row.last_token_us - row.first_token_us
    if row.output_tokens < 2 or span <= 0:
        return None
    return (row.output_tokens - 1) * _US_PER_S * _TENTHS // span


def _pace(row: LoggedRequest) -> Cell:
    found = tokens_per_s(row)
    if found is None:
        return nothing("none")
    return Cell(
        f"{found // _TENTHS:,}.{found % _TENTHS}",
        f"{found // _TENTHS}.{found % _TENTHS}",
    )


def table(
    tenant: Tenant, *, narrowed_to: Callable[[str, int], str], empty: Empty
) -> Table[LoggedRequest]:
    """Return the table for a tenant's zone and what whoever looks may see of keys.

    `narrowed_to` is the address of the log with one filter set, by name and id.
    """
    zone = ZoneInfo(tenant.zone)
    columns: list[Column[LoggedRequest]] = [
        Column(
            "at",
            f"Admitted, {tenant.zone}",
            lambda row: instant_in(
                row.admitted_at,
                zone,
                address=reverse("console:request", args=(tenant.slug, row.request_id)),
            ),
        ),
        Column("status", "Ended", lambda row: state(status_badge(row.status))),
        Column("model", "Model", lambda row: words(row.model)),
        *_measures(),
        Column("id", "Request id", lambda row: words(f"{row.request_id}")),
    ]

    def project(row: LoggedRequest) -> Cell:
        name = row.project or f"{row.project_id}"
        return words(name, address=narrowed_to("project", row.project_id))

    def key(row: LoggedRequest) -> Cell:
        name = row.api_key or f"{row.api_key_id}"
        return words(name, address=narrowed_to("key", row.api_key_id))

    columns.insert(-1, Column("project", "Project", project))
    if current().may(Scope.KEYS_READ):
        columns.insert(-1, Column("key", "API key", key))
    return Table(
        name="requests",
        title="Requests",
        note="In the order of their admission, newest first.",
        columns=tuple(columns),
        rows_per_page=ROWS_PER_PAGE,
        empty=empty,
    )


def _measures() -> tuple[Column[LoggedRequest], ...]:
    return (
        Column(
            "spend",
            "Spend",
            lambda row: money(row.net_charge_picos, row.currency),
            Kind.NUMBER,
            note="Excluding tax, all corrections of the request included.",
        ),
        Column("currency", "Currency", lambda row: unit(row.currency), Kind.UNIT),
        Column("input", "Input", lambda row: number(row.input_tokens), Kind.NUMBER),
        Column(
            "cached",
            "Cached",
            lambda row: number(row.cached_input_tokens),
            Kind.NUMBER,
            note="Input tokens that the engine had cached.",
        ),
        Column("output", "Output", lambda row: number(row.output_tokens), Kind.NUMBER),
        Column(
            "first",
            "First token",
            lambda row: duration_cell(row.first_token_us),
            Kind.NUMBER,
        ),
        Column("took", "Took", lambda row: duration_cell(row.duration_us), Kind.NUMBER),
        Column(
            "pace",
            "Tokens/s",
            _pace,
            Kind.NUMBER,
            note="Of a stream, from its first token to its last.",
        ),
        *_in_files(),
    )


def _in_files() -> tuple[Column[LoggedRequest], ...]:
    """Return what a receipt tells of one request, and the file of all."""
    return (
        Column(
            "streamed",
            "Streamed",
            lambda row: words("yes" if row.streamed else "no"),
            is_for_files=True,
        ),
        Column(
            "attempts",
            "Attempts",
            lambda row: _noted(row.handling.attempts),
            Kind.NUMBER,
            note="At how many replicas it was tried: 0 where its answer was kept from"
            " before.",
            is_for_files=True,
        ),
        Column(
            "held_input",
            "Held input",
            lambda row: _noted(row.handling.held_input_tokens),
            Kind.NUMBER,
            is_for_files=True,
        ),
        Column(
            "held_output",
            "Held output",
            lambda row: _noted(row.handling.held_output_tokens),
            Kind.NUMBER,
            is_for_files=True,
        ),
        Column(
            "idempotency_key",
            "Idempotency key",
            lambda row: words(row.key_part or ""),
            is_for_files=True,
        ),
    )


def _noted(figure: int | None) -> Cell:
    return nothing("not recorded") if figure is None else number(figure)
