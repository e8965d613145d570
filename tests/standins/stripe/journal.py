"""What came in and what went back: every request, for people and assertions."""

from dataclasses import dataclass, field
from typing import Any


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


@dataclass(slots=True)
class Entry:
    """A line of the journal."""

    number: int
    at: float
    account: str
    method: str
    path: str
    params: dict[str, Any]
    key: str | None
    request_id: str
    fault: str | None = None
    ran: bool = False
    answer: Answer | None = None

    def shown(self) -> dict[str, Any]:
        """Return the line for people and assertions."""
        answer = self.answer
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
            "status": None if answer is None or answer.dropped else answer.status,
            "replayed": answer is not None and answer.replayed,
            "dropped": answer is not None and answer.dropped,
        }
