"""Tables of webhook endpoints, and of what was sent to one. Pure.

Instants are shown on the tenant's clocks, to the second.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from metering.alerts.models import Delivery, Endpoint
from pages.design.badges import Badge, Tone
from pages.design.cells import (
    Cell,
    Kind,
    clock,
    nothing,
    number,
    percent,
    state,
    words,
)
from pages.design.files import FILE_ROWS_MAX
from pages.design.states import Empty
from pages.design.table import Column, Table

DELIVERIES_PER_PAGE = 50
_STATES = {
    "active": Tone.GOOD,
    "failing": Tone.BAD,
    "paused": Tone.WAIT,
    "removed": Tone.OVER,
}
_DELIVERIES = {
    "waiting": Tone.WAIT,
    "delivered": Tone.GOOD,
    "given_up": Tone.BAD,
    "dropped": Tone.OVER,
}


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint, how it went in the last day, and where it is shown."""

    endpoint: Endpoint
    failed: int
    tried: int
    address: str


def at_cell(
    at: dt.datetime | None, zone: str, *, missing: str, address: str = ""
) -> Cell:
    """Return a cell of an instant on the tenant's clocks."""
    if at is None:
        return nothing(missing)
    return clock(at, zone, address=address)


def endpoint_badge(row: Endpoint) -> Badge:
    """Return the state of an endpoint."""
    return Badge(row.state, _STATES[row.state])


def endpoints_table(zone: str, *, new: str) -> Table[EndpointRow]:
    """Return the table of a tenant's endpoints."""
    return Table(
        name="endpoints",
        title="Webhook endpoints",
        columns=(
            Column(
                "name",
                "Endpoint",
                lambda row: words(row.endpoint.name, address=row.address),
                sort=lambda row: row.endpoint.name.lower(),
            ),
            Column("url", "Address", lambda row: words(row.endpoint.url)),
            Column("events", "Events", lambda row: words(events_of(row.endpoint))),
            Column(
                "state",
                "State",
                lambda row: state(
                    endpoint_badge(row.endpoint),
                    note=row.endpoint.get_paused_because_display(),
                ),
                sort=lambda row: row.endpoint.state,
            ),
            Column(
                "last_succeeded_at",
                f"Last success ({zone})",
                lambda row: at_cell(
                    row.endpoint.last_succeeded_at, zone, missing="none yet"
                ),
                sort=lambda row: row.endpoint.last_succeeded_at,
            ),
            Column(
                "failed",
                "Failed in 24 h",
                lambda row: (
                    percent(row.failed, row.tried)
                    if row.tried
                    else nothing("nothing sent")
                ),
                Kind.NUMBER,
                sort=lambda row: row.failed * 1000 // row.tried if row.tried else None,
                note="Of the deliveries that were tried, replays left out",
            ),
        ),
        usual_sort="name",
        empty=Empty(
            "No endpoint is called",
            "Programs of yours can be told of limits and top-ups by a signed call.",
            "Add one" if new else "",
            new,
        ),
    )


def events_of(row: Endpoint) -> str:
    """Return what an endpoint is called with, in words."""
    return ", ".join(row.events) or "all"


def deliveries_table(
    zone: str, *, leads_to: Callable[[Delivery], str]
) -> Table[Delivery]:
    """Return the log of what was sent to an endpoint."""
    return Table(
        name="deliveries",
        title="Deliveries",
        file_rows_max=FILE_ROWS_MAX,
        rows_per_page=DELIVERIES_PER_PAGE,
        columns=(
            Column(
                "created_at",
                f"Since ({zone})",
                lambda row: at_cell(
                    row.created_at, zone, missing="", address=leads_to(row)
                ),
            ),
            Column(
                "type",
                "Event",
                lambda row: words(
                    row.event.type, note="replay" if row.is_replay else ""
                ),
            ),
            Column("event", "Id", lambda row: words(row.event.public_id)),
            Column("state", "State", lambda row: state(delivery_badge(row))),
            Column(
                "attempts", "Attempts", lambda row: number(row.attempts), Kind.NUMBER
            ),
            Column("last_status", "Code", _code, Kind.NUMBER),
            Column("last_ms", "Took, ms", _took, Kind.NUMBER),
            Column(
                "next_at",
                "Next try",
                lambda row: at_cell(row.next_at, zone, missing="no more"),
            ),
            Column("last_error", "Problem", lambda row: words(row.last_error)),
        ),
        empty=Empty(
            "Nothing was sent yet",
            "Deliveries are kept for 90 days. A test shows whether it works.",
        ),
    )


def delivery_badge(row: Delivery) -> Badge:
    """Return the state of a delivery; failed and tried again is waiting, too."""
    word = row.get_state_display()
    return Badge(word, _DELIVERIES[row.state])


def _code(row: Delivery) -> Cell:
    if row.last_status is None:
        return nothing("no answer" if row.attempts else "not yet")
    return number(row.last_status)


def _took(row: Delivery) -> Cell:
    return nothing("not measured") if row.last_ms is None else number(row.last_ms)
