"""What the meter wrote: a product's usage events, one by one, and how it is configured.

The usage API adds up; a journey that holds one call against one engine's word needs the
rows. They are found by the request id that every answer carries in its headers.

Failure: an event that is not committed in time fails the test.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import psycopg
from psycopg.rows import class_row

from kit.contracts import CountedBy, EventKind, EventStatus
from tests.journeys.product import Product

PATIENCE_SECONDS = 180.0
POLL_SECONDS = 0.1

_EVENTS = """
SELECT request_id, replica.name AS replica, kind, status, counted_by, streamed,
       input_tokens + cached_input_tokens AS prompt_tokens,
       output_tokens, generated_tokens
FROM usage_event
LEFT JOIN control_replica AS replica ON replica.id = replica_id
WHERE kind = %(kind)s ORDER BY request_id
"""


@dataclass(frozen=True)
class MeteredCall:
    """One request's usage event; cached tokens are prompt tokens too."""

    request_id: UUID
    replica: str | None
    kind: int
    status: int
    counted_by: int
    streamed: bool
    prompt_tokens: int
    output_tokens: int
    generated_tokens: int

    @property
    def ended(self) -> EventStatus:
        """Return why the request ended."""
        return EventStatus(self.status)

    @property
    def witness(self) -> CountedBy:
        """Return who counted it."""
        return CountedBy(self.counted_by)


def metered_calls(product: Product) -> dict[UUID, MeteredCall]:
    """Return every request's event by its id, oldest first."""
    with (
        psycopg.connect(product.env["DATABASE_URL"]) as connection,
        connection.cursor(row_factory=class_row(MeteredCall)) as cursor,
    ):
        events = cursor.execute(_EVENTS, {"kind": EventKind.REQUEST}).fetchall()
    return {event.request_id: event for event in events}


def metered(product: Product, request_ids: Sequence[str]) -> list[MeteredCall]:
    """Return the events of these requests, in their order, once all are there."""
    wanted = [UUID(request_id) for request_id in request_ids]
    until(lambda: set(wanted) <= metered_calls(product).keys())
    events = metered_calls(product)
    return [events[request_id] for request_id in wanted]


def operate(
    product: Product, method: str, path: str, body: Mapping[str, object] | None = None
) -> Any:
    """Make one call of the management API, as its operator, and return its answer."""
    answer = httpx.request(
        method,
        f"{product.url}/api/v1/{path}",
        json=body,
        headers={"authorization": f"Bearer {product.operator_token}"},
        timeout=30,
        trust_env=False,
    )
    assert answer.is_success, answer.text
    return answer.json()


def until(
    condition: Callable[[], object], *, seconds: float = PATIENCE_SECONDS
) -> None:
    """Return once `condition` holds; fail when patience ends."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not settle in time"
        time.sleep(POLL_SECONDS)
