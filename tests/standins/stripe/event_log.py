"""An account's events: what changed, as it looked right after the change.

Owns: the rows. They are kept in the order in which they arose, and never change.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """The API request that is running, by its id and idempotency key."""

    id: str | None = None
    idempotency_key: str | None = None


# What the account does by itself, by its clock, has no request.
NO_REQUEST = Request()


class EventLog:
    """Every event so far, by id and in order."""

    def __init__(self) -> None:
        self.rows: dict[str, Json] = {}
        self._first: dict[tuple[str, str], Json] = {}

    def add(self, event: Json) -> Json:
        """Keep an event, its snapshot cut off from the object that goes on living."""
        kept: Json = json.loads(json.dumps(event, default=str))
        self.rows[kept["id"]] = kept
        self._first.setdefault((kept["type"], kept["data"]["object"].get("id")), kept)
        return kept

    def is_pending(self, kind: str, reference: str) -> bool:
        """Tell whether an object's first event of a type has not reached everybody."""
        event = self._first.get((kind, reference))
        return event is not None and event["pending_webhooks"] > 0

    def newest_first(self) -> Iterator[Json]:
        """Go through all events, the latest first."""
        return reversed(self.rows.values())
