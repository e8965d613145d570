"""One request through the stand-in: contract, idempotency key, fault, work, journal.

The order is Stripe's: what is refused before it runs leaves no trace under its key;
what ran is replayed from then on, an error like an answer.
"""

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.standins.stripe.account import Account
from tests.standins.stripe.api import TABLE
from tests.standins.stripe.clock import VirtualClock
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.event_log import NO_REQUEST, Request
from tests.standins.stripe.faults import Fault, FaultPlan
from tests.standins.stripe.hooks.deliverer import Deliverer
from tests.standins.stripe.idempotency import Stored, fingerprint
from tests.standins.stripe.journal import Answer, Entry
from tests.standins.stripe.merchants import Merchant, Merchants
from tests.standins.stripe.packed import pack, unpack
from tests.standins.stripe.routes import Call

_UNKNOWN = {"error": {"type": "api_error", "message": "An unknown error occurred."}}
_LOCKED = {
    "error": {
        "type": "invalid_request_error",
        "code": "lock_timeout",
        "message": "Object locked.",
    }
}
_STORED_FAULTS = {
    "lock_timeout": (429, json.dumps(_LOCKED)),
    "error_500": (500, json.dumps(_UNKNOWN)),
    "commit_then_500": (500, json.dumps(_UNKNOWN)),
}
_COMMITTING = frozenset(
    {"commit_then_drop", "commit_then_500", "commit_then_hold", "slow"}
)


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request to an account's API, read from HTTP."""

    merchant: Merchant
    method: str
    path: str
    params: dict[str, Any]
    key: str | None


@dataclass(frozen=True, slots=True)
class _Work:
    """A request that may run, and what goes wrong with it."""

    entry: Entry
    merchant: Merchant
    call: Call
    fault: Fault | None


@dataclass(slots=True)
class Engine:
    """The accounts, their keys, the faults and the journal."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    faults: FaultPlan = field(default_factory=FaultPlan)
    journal: list[Entry] = field(default_factory=list)
    merchants: Merchants = field(init=False)
    hooks: Deliverer = field(init=False)
    # Pretends that Stripe is far away: each answer takes so long, work or not.
    latency_s: float = 0.0
    base_url: str = ""
    # Whether there is something that `keeping` has not written yet.
    is_changed: bool = False
    keep: Callable[[], None] = lambda: None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _far: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.merchants = Merchants(self.clock)
        self.hooks = Deliverer(self.clock)
        self.hooks.on_sent = self._note_change
        self.open_account(name="Stand-in")
        self.clock.moved.append(self.run_due)

    @property
    def account(self) -> Account:
        """Return the first account."""
        return self.merchants.rows[0].account

    def open_account(self, **fields: str) -> Merchant:
        """Open an account whose events go to its webhook endpoints."""
        merchant = self.merchants.add(**fields)
        merchant.account.base_url = self.base_url
        merchant.account.heard_by.append(self.hooks.take)
        return merchant

    def serve_at(self, base_url: str) -> None:
        """Say where the pages are reached."""
        self.base_url = base_url
        for merchant in self.merchants.rows:
            merchant.account.base_url = base_url

    def take_up(
        self, added_s: float, accounts: list[Account], keys: list[dict[str, Stored]]
    ) -> None:
        """Go on with the accounts of an earlier stand-in, in the order of these."""
        self.clock.advance(added_s)
        with self._lock:
            for merchant, account, kept in zip(
                self.merchants.rows, accounts, keys, strict=False
            ):
                account.clock = self.clock
                account.base_url = self.base_url
                account.heard_by.append(self.hooks.take)
                merchant.account = account
                merchant.keys.take_up(kept)

    def close(self) -> None:
        """Release what is held, and stop sending webhooks."""
        self.faults.clear()
        self._far.set()
        self.hooks.close()

    def run_due(self) -> None:
        """Let the accounts do what is due by the clock."""
        with self._lock:
            for merchant in self.merchants.rows:
                self.is_changed |= merchant.account.run_due()

    @contextmanager
    def opened(self, account: Account, *, reads: bool = False) -> Iterator[Account]:
        """Let a page, or a test, work on an account as a request does."""
        with self._lock:
            was_any = account.run_due()
            self.is_changed |= was_any or not reads
            yield account

    def invoices(self) -> list[dict[str, Any]]:
        """Return every invoice of every account with all its lines."""
        with self._lock:
            return [
                {**invoice, "lines": merchant.account.lines[reference]}
                for merchant in self.merchants.rows
                for reference, invoice in merchant.account.invoices.items()
            ]

    def _note_change(self) -> None:
        self.is_changed = True

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let nothing happen inside the block."""
        with self._lock:
            yield

    def answer(self, request: ApiRequest) -> Answer:
        """Serve one request."""
        entry = self._enter(request)
        fault = self.faults.take(request.method, request.path)
        entry.fault = fault.kind if fault else None
        if self.latency_s:
            self._far.wait(self.latency_s)
        try:
            answer = self._served(entry, request, fault)
        except ApiError as error:
            answer = refusal(error)
        entry.outcome = answer.outcome()
        return replace(answer, request_id=entry.request_id)

    def _enter(self, request: ApiRequest) -> Entry:
        with self._lock:
            entry = Entry(
                number=len(self.journal) + 1,
                at=self.clock.now(),
                account=request.merchant.account.id,
                method=request.method,
                path=request.path,
                packed_params=pack(json.dumps(request.params)),
                key=request.key,
                request_id=f"req_{secrets.token_hex(7)}",
            )
            self.journal.append(entry)
            return entry

    def _served(self, entry: Entry, request: ApiRequest, fault: Fault | None) -> Answer:
        if fault and fault.kind == "drop_before":
            return Answer(0, "", dropped=True)
        if fault and fault.kind == "rate_limited":
            message = "Too many requests hit the API too quickly."
            raise ApiError(429, message, code="rate_limit", stored=False)
        route = TABLE.found(request.method, request.path)
        request.merchant.limits.admit(request.method, route.path)
        call = TABLE.call(request.method, request.path, request.params)
        work = _Work(entry, request.merchant, call, fault)
        if request.key is None or request.method != "POST":
            return self._run(work)
        mark = fingerprint(request.method, request.path, request.params)
        keys = request.merchant.keys
        found = keys.begin(request.key, mark)
        if found is not None:
            return Answer(found.status, unpack(found.packed), replayed=True)
        stored: Stored | None = None
        try:
            answer = self._run(work)
            # A commit whose answer is dropped was a success, and a key replays that.
            packed = pack(answer.content)
            stored = Stored(mark, answer.status, packed, self.clock.now())
        finally:
            keys.end(request.key, stored)
        return answer

    def _run(self, work: _Work) -> Answer:
        limits = work.merchant.limits
        try:
            with limits.alone(work.call.route.path, work.call.params):
                return self._run_alone(work)
        except ApiError as error:
            if not error.stored:
                raise
            return refusal(error)

    def _run_alone(self, work: _Work) -> Answer:
        fault = work.fault
        kind = fault.kind if fault else None
        if fault and kind == "hold":
            fault.wait()
        if kind in _STORED_FAULTS and kind not in _COMMITTING:
            return Answer(*_STORED_FAULTS[kind])
        answer = self._execute(work)
        if kind in _STORED_FAULTS:
            answer = Answer(*_STORED_FAULTS[kind])
        if fault and kind == "commit_then_hold":
            fault.wait()
        if fault and kind == "slow":
            fault.released.wait(fault.seconds)
        if kind == "commit_then_drop":
            return Answer(answer.status, answer.content, dropped=True)
        return answer

    def _execute(self, work: _Work) -> Answer:
        account = work.merchant.account
        reads = work.entry.method == "GET"
        with self.opened(account, reads=reads):
            account.request = Request(work.entry.request_id, work.entry.key)
            try:
                content = json.dumps(work.call.run(account), default=str)
            except ApiError as error:
                if not error.stored:
                    raise
                return refusal(error)
            finally:
                account.request = NO_REQUEST
            work.entry.ran = True
            return Answer(200, content)


def refusal(error: ApiError) -> Answer:
    """Return the answer that an error is."""
    return Answer(error.status, json.dumps(error.body), headers=error.headers)
