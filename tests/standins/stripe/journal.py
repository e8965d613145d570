"""What came in and what went back: every request, for people and assertions."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.standins.stripe.packed import unpack


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; `dropped` closes the connection instead."""

    status: int
    # JSON text, made while nothing else could change what it shows.
    content: str
    replayed: bool = False
    dropped: bool = False
    request_id: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def outcome(self) -> "Outcome":
        """Return what the journal says about it."""
        status = None if self.dropped else self.status
        return Outcome(status, self.replayed, self.dropped)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended; no status means that no answer went out."""

    status: int | None
    replayed: bool
    dropped: bool


@dataclass(slots=True)
class Entry:
    """A line of the journal."""

    number: int
    at: float
    account: str
    method: str
    path: str
    packed_params: bytes
    key: str | None
    request_id: str
    fault: str | None = None
    ran: bool = False
    outcome: Outcome | None = None

    @property
    def params(self) -> dict[str, Any]:
        """Return what was asked with, as text nested in dicts."""
        params: dict[str, Any] = json.loads(unpack(self.packed_params))
        return params

    def shown(self) -> dict[str, Any]:
        """Return the line for people and assertions."""
        outcome = self.outcome or Outcome(None, replayed=False, dropped=False)
        return {
            "number": self.number,
            "at": self.at,
            "account": self.account,
            "method": self.method,
            "path": self.path,
            "params": self.params,
            "idempotency_key": self.key,
            "request_id": self.request_id,
            "fault": self.fault,
            "ran": self.ran,
            "status": outcome.status,
            "replayed": outcome.replayed,
            "dropped": outcome.dropped,
        }
