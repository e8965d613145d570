"""What is owed, against a model: one process, its database, and all that befalls them.

The process may be settled by its checkpoint while it runs, be killed, come back, and be
recovered from its journal, in any order and twice; the database may forget the last it
was told. Whatever the order: a request has one event, what stands of it in the end is
what its client had, and nothing is ever given back that was not taken.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from kit.contracts import CountedBy, EventKind, EventStatus, Outcome, TokenCounts
from metering.intake.events import (
    UsageEvent,
    late_event,
    request_event,
    undelivered_event,
)
from metering.intake.journal import Entry, Journal
from metering.intake.owed import Bills, Stands, lost_by, owed_by, still_owed
from metering.intake.recovery import kept
from metering.intake.slots import Phase, Slot, read_slots
from tests.metering.intake.journalled import admission, journal

NOTHING = TokenCounts()
PROMPT = TokenCounts(input_tokens=5, cached_input_tokens=2)
PIECES = st.integers(0, 3)
# Ended by our side, or the engine's: before the first token nothing is billed.
FREE_AT_FIRST = {EventStatus.DRAINED, EventStatus.ENGINE_ERROR}


@dataclass(eq=False)
class Request:
    """One request, and what its client really had."""

    entry: Entry
    offered: TokenCounts = NOTHING
    had: TokenCounts = NOTHING
    # Nobody may say otherwise once it has ended.
    outcome: Outcome | None = None
    # "", "due", "begun", "taken" or "back"; the latter with what is left to pay.
    body: str = ""
    # Whether a checkpoint gave back a body that was on its way: the loss is ours.
    may_be_free: bool = False

    @property
    def id(self) -> UUID:
        """Return its id."""
        return self.entry.admission.request_id

    @property
    def is_running(self) -> bool:
        """Tell whether it has not ended."""
        return self.outcome is None


@dataclass
class Database:
    """Keeps events in the order of their commits, and looks them up."""

    events: list[UsageEvent] = field(default_factory=list)
    checkpoint: bytes = b""

    def post(self, events: list[UsageEvent]) -> None:
        """Commit; keys are unique."""
        self.events += events
        ids = Counter(event.request_id for event in self.events)
        assert max(ids.values(), default=1) == 1
        given_back = Counter(
            event.corrects
            for event in self.events
            if event.kind is EventKind.UNDELIVERED
        )
        assert max(given_back.values(), default=1) == 1

    def standing(self) -> dict[UUID, Stands]:
        """Return what stands, as `STANDING` does."""
        found: dict[UUID, Stands] = {}
        for event in self.events:
            if event.settles:
                found[event.request_id] = Stands(
                    self.net(event.request_id, {EventKind.REQUEST, EventKind.LATE}),
                    any(
                        each.kind is EventKind.UNDELIVERED
                        and each.corrects == event.request_id
                        for each in self.events
                    ),
                )
        return found

    def net(
        self, request_id: UUID, kinds: set[EventKind] | frozenset[EventKind]
    ) -> TokenCounts:
        """Add up what stands of one request."""
        of_it = [
            event.counts
            for event in self.events
            if request_id in {event.request_id, event.corrects} and event.kind in kinds
        ]
        return TokenCounts(
            sum(each.input_tokens for each in of_it),
            sum(each.cached_input_tokens for each in of_it),
            sum(each.output_tokens for each in of_it),
            sum(each.reasoning_tokens for each in of_it),
        )


class Owed(RuleBasedStateMachine):
    """A process with a journal, and a database that is not always told."""

    KINDS: ClassVar[frozenset[EventKind]] = frozenset(EventKind)

    @initialize(count=st.integers(1, 2), lives_for=st.integers(8, 40))
    def begin(self, count: int, lives_for: int) -> None:
        """Start a process, which cannot be killed before so many steps."""
        self.journal: Journal = journal(slots=64)
        self.database = Database()
        self.requests: list[Request] = []
        self.waiting: list[tuple[UsageEvent, Entry | None]] = []
        self.noted: dict[UUID, Stands] = {}
        self.is_alive = True
        # Whether the epoch was closed by somebody else, and whether numbers are lost.
        self.is_closed = self.went_back = False
        self.lives_for = lives_for
        for _ in range(count):
            self.admit()

    def teardown(self) -> None:
        """End all that runs, or recover it, and hold the bill against what was had."""
        if not hasattr(self, "journal"):
            return
        if self.is_alive:
            for request in self.requests:
                if request.is_running:
                    self._end(request, EventStatus.CLIENT_GONE, is_due=False)
                elif request.body in {"due", "begun"}:
                    self._give_back(request, prompt_too=True)
            self._commit(len(self.waiting))
            self._commit(len(self.waiting))
            for request in self.requests:
                self._require_exact(request)
        else:
            self._recover_journal()
            self._require_recovered()
        self.journal.file.remove()

    # The process ---------------------------------------------------------------------

    @precondition(lambda self: self.is_alive and len(self.requests) < 4)
    @rule()
    def admit(self) -> None:
        """Admit a request."""
        entry = self.journal.open(admission(len(self.requests) + 1))
        self.requests.append(Request(entry))

    @precondition(lambda self: self._any(lambda each: each.is_running))
    @rule(data=st.data(), tokens=PIECES, is_written=st.booleans())
    def offer(self, data: st.DataObject, tokens: int, is_written: bool) -> None:
        """Offer a piece; the client's socket takes it, or not yet."""
        request = self._one(data, lambda each: each.is_running)
        output = request.had.output_tokens + tokens
        request.offered = TokenCounts(
            PROMPT.input_tokens, PROMPT.cached_input_tokens, output, output // 2
        )
        request.entry.offered(request.offered, replica_id=3, first_token_us=None)
        if is_written:
            self._write(request)

    @precondition(lambda self: self._any(lambda each: each.had != each.offered))
    @rule(data=st.data())
    def write(self, data: st.DataObject) -> None:
        """Let the client's socket take what was offered."""
        self._write(self._one(data, lambda each: each.had != each.offered))

    def _write(self, request: Request) -> None:
        if request.is_running:
            request.entry.written()
            request.had = request.offered

    @precondition(lambda self: self._any(lambda each: each.is_running))
    @rule(data=st.data(), status=st.sampled_from(EventStatus), is_due=st.booleans())
    def end(self, data: st.DataObject, status: EventStatus, is_due: bool) -> None:
        """End a stream with what its client has, or an answer that is whole."""
        request = self._one(data, lambda each: each.is_running)
        self._end(request, status, is_due=is_due and request.offered == NOTHING)

    def _end(self, request: Request, status: EventStatus, *, is_due: bool) -> None:
        counts = TokenCounts(5, 2, 9, 4) if is_due else request.had
        if not is_due:
            request.offered = request.had
            if not counts.output_tokens:
                counts = NOTHING if status in FREE_AT_FIRST else PROMPT
        outcome = Outcome(status, counts, 9, CountedBy.ENGINE, 3, None, 4)
        request.outcome = outcome
        request.body = "due" if is_due else ""
        request.had = NOTHING if is_due else counts
        request.entry.ended(outcome, is_due=is_due)
        stands = self.noted.pop(request.id, None)
        event: UsageEvent | None = request_event(request.entry.admission, outcome)
        if stands is not None:
            event = late_event(request.entry.admission, outcome, stands=stands.counts)
        if event is None:
            request.entry.committed()
        else:
            self.waiting.append((event, request.entry))

    @precondition(lambda self: self._any(lambda each: each.body == "due"))
    @rule(data=st.data())
    def begin_body(self, data: st.DataObject) -> None:
        """Send a body, once it is committed."""
        request = self._one(data, lambda each: each.body == "due")
        if all(entry is not request.entry for _, entry in self.waiting):
            request.entry.begun()
            request.body = "begun"

    @precondition(lambda self: self._any(lambda each: each.body == "begun"))
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        """Let the client's socket begin to take it."""
        request = self._one(data, lambda each: each.body == "begun")
        assert request.outcome is not None
        request.entry.taken()
        request.body, request.had = "taken", request.outcome.counts

    @precondition(lambda self: self._any(lambda each: each.body in {"due", "begun"}))
    @rule(data=st.data(), prompt_too=st.booleans())
    def give_back(self, data: st.DataObject, prompt_too: bool) -> None:
        """Give a body back that nobody took; whose fault says how much of it."""
        request = self._one(data, lambda each: each.body in {"due", "begun"})
        self._give_back(request, prompt_too=prompt_too)

    def _give_back(self, request: Request, *, prompt_too: bool) -> None:
        assert request.outcome is not None
        event = undelivered_event(
            request.entry.admission, request.outcome, prompt_too=prompt_too
        )
        request.entry.given_back(event.request_id, prompt_too=prompt_too)
        request.body = "back"
        request.had = NOTHING if prompt_too else PROMPT
        self.waiting.append((event, request.entry))

    @precondition(lambda self: self.is_alive and self.waiting)
    @rule(count=st.integers(1, 4), is_heard_of=st.booleans())
    def commit(self, count: int, is_heard_of: bool) -> None:
        """Commit the first that wait; the answer may get lost."""
        self._commit(count, is_heard_of=is_heard_of)

    def _commit(self, count: int, *, is_heard_of: bool = True) -> None:
        if self.is_closed or self.went_back:
            self._compare()
        batch, self.waiting = self.waiting[:count], self.waiting[count:]
        self.database.post([event for event, _ in batch])
        if not is_heard_of:
            # The same process finds that out by its numbers, a killed one by the key.
            return
        for _, entry in batch:
            if entry is not None:
                entry.committed()

    def _compare(self) -> None:
        """Do as a process does whose epoch is closed, or not there any more."""
        standing = self.database.standing()
        self.noted = {
            request.id: standing[request.id]
            for request in self.requests
            if request.is_running and request.id in standing
        }
        waiting, self.waiting = self.waiting, []
        for event, entry in waiting:
            left = still_owed(event, standing)
            if left is not None:
                self.waiting.append((left, entry))
            elif entry is not None:
                entry.committed()
        if self.went_back:
            queued = [event for event, _ in self.waiting]
            lost = lost_by(self._slots(), standing, queued)
            # First: what waits may give back some of it.
            self.waiting[:0] = [(event, None) for event in lost]
            queued += lost
            assert lost_by(self._slots(), standing, queued) == []
        self.is_closed = self.went_back = False

    # What befalls them ---------------------------------------------------------------

    @precondition(lambda self: self.is_alive and not self.is_closed)
    @rule()
    def note_checkpoint(self) -> None:
        """Tell the database how all that runs stands."""
        self.database.checkpoint = self.journal.checkpoint()

    @precondition(lambda self: self.database.checkpoint)
    @rule()
    def reap(self) -> None:
        """Settle by the last checkpoint, which may be old."""
        slots = read_slots(self.database.checkpoint)
        before = {request.id: self._net(request) for request in self.requests}
        self._settle(slots, Bills.WRITTEN)
        for slot in slots:
            if slot.phase is Phase.RUNNING:
                # Who settled it before knew more.
                request = self._by_id(slot.admission.request_id)
                assert self._net(request)[2] >= before[request.id][2]
        self.is_closed = True
        found = {slot.admission.request_id for slot in slots}
        for request in self.requests:
            if request.id in found and not request.is_running:
                request.may_be_free |= bool(request.body)
            if self.is_alive and request.is_running:
                net, had = self._net(request), classes(request.had)
                assert all(a <= b for a, b in zip(net, had, strict=True))
                assert net[2] or net == classes(NOTHING)

    def _settle(self, slots: list[Slot], bills: Bills) -> None:
        owed = owed_by(slots, self.database.standing(), bills=bills)
        self.database.post(owed)
        assert owed_by(slots, self.database.standing(), bills=bills) == []

    @precondition(lambda self: self.is_alive and self.lives_for <= 0)
    @rule()
    def kill(self) -> None:
        """Let the process die: what waited is in its journal only."""
        self.is_alive = False
        self.waiting.clear()

    @precondition(lambda self: not self.is_alive)
    @rule()
    def recover(self) -> None:
        """Settle by the journal, as often as may be."""
        self._recover_journal()
        self._require_recovered()

    def _recover_journal(self) -> None:
        self._settle(kept(self._slots()), Bills.OFFERED)

    @precondition(lambda self: self.database.events)
    @rule(count=st.integers(1, 3))
    def fail_over(self, count: int) -> None:
        """Forget the last of what was confirmed."""
        del self.database.events[-count:]
        self.went_back = True

    # What holds ----------------------------------------------------------------------

    @invariant()
    def nothing_is_given_back_that_was_not_taken(self) -> None:
        """Hold every class of a net, and its charge, at nothing or above."""
        self.lives_for = getattr(self, "lives_for", 0) - 1
        for request in getattr(self, "requests", []):
            net = self._net(request)
            assert min(net) >= 0
            charged = sum(
                event.charge_picos
                for event in self.database.events
                if request.id in {event.request_id, event.corrects}
            )
            price = request.entry.admission.price
            assert charged == (
                net[0] * price.input_picos
                + net[1] * price.cached_input_picos
                + net[2] * price.output_picos
            )

    def _require_exact(self, request: Request) -> None:
        originals = [
            event for event in self.database.events if event.request_id == request.id
        ]
        assert len(originals) == 1
        net, had = self._net(request), classes(request.had)
        assert net == had or (request.may_be_free and net == classes(NOTHING))

    def _require_recovered(self) -> None:
        for request in self.requests:
            if request.is_running:
                net, offered = self._net(request), classes(request.offered)
                had = classes(request.had)
                assert net == (offered if offered[2] else classes(NOTHING))
                assert all(a >= b for a, b in zip(net, had, strict=True)) or not had[2]
            elif request.body == "begun":
                assert request.outcome is not None
                assert self._net(request) in {
                    classes(request.outcome.counts),
                    classes(NOTHING) if request.may_be_free else None,
                }
            else:
                self._require_exact(request)

    def _net(self, request: Request) -> tuple[int, int, int, int]:
        return classes(self.database.net(request.id, self.KINDS))

    def _by_id(self, request_id: UUID) -> Request:
        return next(each for each in self.requests if each.id == request_id)

    def _slots(self) -> list[Slot]:
        return list(self.journal.file.read())

    def _any(self, which: Callable[[Request], bool]) -> bool:
        return self.is_alive and any(map(which, self.requests))

    def _one(self, data: st.DataObject, which: Callable[[Request], bool]) -> Request:
        return data.draw(
            st.sampled_from([each for each in self.requests if which(each)])
        )


def classes(counts: TokenCounts) -> tuple[int, int, int, int]:
    """Return the counts by class."""
    return (
        counts.input_tokens,
        counts.cached_input_tokens,
        counts.output_tokens,
        counts.reasoning_tokens,
    )


TestOwed = Owed.TestCase
TestOwed.settings = settings(
    max_examples=int(os.environ.get("OWED_EXAMPLES", "200")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
