"""One request through the stand-in: contract, idempotency key, fault, work, journal.

The order is Stripe's: what is refused before it runs leaves no trace under its key;
what ran is replayed from then on, an error like an answer.
"""

import copy
import secrets
import threading
from dataclasses import dataclass, field, replace
from typing import Any

from tests.standins.stripe.account import Account
from tests.standins.stripe.api import TABLE
from tests.standins.stripe.clock import VirtualClock
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.event_log import NO_REQUEST, Request
from tests.standins.stripe.faults import Fault, FaultPlan
from tests.standins.stripe.idempotency import KeyStore, Stored, fingerprint
from tests.standins.stripe.routes import Call

_STORED_FAULTS = {
    "lock_timeout": (
        429,
        {
            "type": "invalid_request_error",
            "code": "lock_timeout",
            "message": "Object locked.",
        },
    ),
    "error_500": (500, {"type": "api_error", "message": "An unknown error occurred."}),
    "commit_then_500": (
        500,
        {"type": "api_error", "message": "An unknown error occurred."},
    ),
}
_COMMITTING = frozenset(
    {"commit_then_drop", "commit_then_500", "commit_then_hold", "slow"}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; `dropped` closes the connection instead."""

    status: int
    body: dict[str, Any]
    replayed: bool = False
    dropped: bool = False
    request_id: str = ""


@dataclass(slots=True)
class Entry:
    """A line of the journal."""

    number: int
    at: float
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


@dataclass(slots=True)
class Engine:
    """The account, its keys, its faults and its journal."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    faults: FaultPlan = field(default_factory=FaultPlan)
    journal: list[Entry] = field(default_factory=list)
    account: Account = field(init=False)
    _keys: KeyStore = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.account = Account(self.clock)
        self._keys = KeyStore(self.clock)
        self.clock.moved.append(self.run_due)

    def run_due(self) -> None:
        """Let the account do what is due by its clock."""
        with self._lock:
            self.account.run_due()

    def answer(
        self, method: str, path: str, params: dict[str, Any], key: str | None
    ) -> Answer:
        """Serve one request."""
        entry = self._enter(method, path, params, key)
        fault = self.faults.take(method, path)
        entry.fault = fault.kind if fault else None
        try:
            entry.answer = self._served(entry, fault)
        except ApiError as error:
            entry.answer = Answer(error.status, error.body)
        entry.answer = replace(entry.answer, request_id=entry.request_id)
        return entry.answer

    def _enter(
        self, method: str, path: str, params: dict[str, Any], key: str | None
    ) -> Entry:
        with self._lock:
            number, now = len(self.journal) + 1, self.clock.now()
            request_id = f"req_{secrets.token_hex(7)}"
            entry = Entry(number, now, method, path, params, key, request_id)
            self.journal.append(entry)
            return entry

    def _served(self, entry: Entry, fault: Fault | None) -> Answer:
        if fault and fault.kind == "drop_before":
            return Answer(0, {}, dropped=True)
        if fault and fault.kind == "rate_limited":
            message = "Too many requests hit the API too quickly."
            raise ApiError(429, message, code="rate_limit", stored=False)
        call = TABLE.call(entry.method, entry.path, entry.params)
        if entry.key is None or entry.method != "POST":
            return self._run(entry, call, fault)
        mark = fingerprint(entry.method, entry.path, entry.params)
        found = self._keys.begin(entry.key, mark)
        if found is not None:
            return Answer(found.status, copy.deepcopy(found.body), replayed=True)
        stored: Stored | None = None
        try:
            answer = self._run(entry, call, fault)
            # A commit whose answer is dropped was a success, and a key replays that.
            stored = Stored(mark, answer.status, answer.body, self.clock.now())
        finally:
            self._keys.end(entry.key, stored)
        return answer

    def _run(self, entry: Entry, call: Call, fault: Fault | None) -> Answer:
        kind = fault.kind if fault else None
        if fault and kind == "hold":
            fault.wait()
        if kind in _STORED_FAULTS and kind not in _COMMITTING:
            status, error = _STORED_FAULTS[kind]
            return Answer(status, {"error": error})
        answer = self._execute(entry, call)
        if kind in _STORED_FAULTS:
            status, error = _STORED_FAULTS[kind]
            answer = Answer(status, {"error": error})
        if fault and kind == "commit_then_hold":
            fault.wait()
        if fault and kind == "slow":
            fault.released.wait(fault.seconds)
        if kind == "commit_then_drop":
            return Answer(answer.status, answer.body, dropped=True)
        return answer

    def _execute(self, entry: Entry, call: Call) -> Answer:
        with self._lock:
            self.account.run_due()
            self.account.request = Request(entry.request_id, entry.key)
            try:
                body = copy.deepcopy(call.run(self.account))
            except ApiError as error:
                if not error.stored:
                    raise
                return Answer(error.status, error.body)
            finally:
                self.account.request = NO_REQUEST
            entry.ran = True
            return Answer(200, body)
