"""Leases of several processes against a model of the database, in any order of events.

Whatever the order: what the books know adds up with the database's leases, who waits is
served in order and as soon as possible, only what is truly used up is called spent, and
at rest nothing is leased and all is posted.
"""

import os
from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from kit.contracts import BudgetPlace, TokenCounts
from metering.intake.amounts import amount_of
from metering.intake.claims import Answer, Claim, Lease, Part, Wish
from metering.intake.holds import AHEAD, BudgetHold
from tests.metering.intake.lease_model import (
    PLACES,
    PRICE,
    Books,
    Process,
    kept_for,
)

PATIENCE_US = 1_000_000
PROCESSES = st.integers(0, 2)
CHAINS = st.sampled_from([(1,), (3,), (1, 2), (1, 5), (1, 4, 5), (2, 3, 5), (1, 2, 3)])
# Small ones, for what is scarce shows what is wrong.
LIMITS = st.one_of(
    st.integers(0, 30), st.integers(20, 300), st.integers(200, 900), st.none()
)
TOKENS = st.integers(0, 12)


class Running:
    """A request of one process, with the answers to its wishes."""

    def __init__(self, process: Process, claim: Claim, *, prompt: int) -> None:
        self.process, self.claim, self.prompt = process, claim, prompt
        self.hold = BudgetHold(
            claim, process.book, process.now_us, lambda: None, lambda: False
        )
        self.wish: Wish | None = None
        self.is_admitted = False


class Leases(RuleBasedStateMachine):
    """Three processes, five windows, and time."""

    @initialize(count=st.integers(2, 3), limits=st.tuples(*[LIMITS] * len(PLACES)))
    def begin(self, count: int, limits: tuple[int | None, ...]) -> None:
        """Start processes with these limits in force."""
        self.now_us = 1_000_000_000
        self.books = Books()
        for number, limit in zip(PLACES, limits, strict=True):
            self.books.rows[number].limit = limit
        self.processes = [
            Process(self.books, epoch, lambda: self.now_us) for epoch in range(count)
        ]
        self.running: list[Running] = []
        self.charged: Counter[int] = Counter()
        # Leases of which more was used than was held, or whose epoch was closed.
        self.overdrawn: set[Lease] = set()
        self.is_away = False

    @rule(
        at=PROCESSES,
        chain=CHAINS,
        bound=TOKENS,
        outputs=st.sampled_from([(8, 4, 2, 1), (3, 1), (5,)]),
        actual=TOKENS,
    )
    def admit(
        self,
        at: int,
        chain: tuple[int, ...],
        bound: int,
        outputs: tuple[int, ...],
        actual: int,
    ) -> None:
        """Hold a prompt's bound and some output for a new request."""
        process = self._process(at)
        parts = tuple(Part(process.book.lease(n, PLACES[n])) for n in chain)
        claim = Claim(PRICE, parts, since_us=self.now_us)
        claim.is_shrinkable = len(outputs) > 1
        process.book.open(claim)
        request = Running(process, claim, prompt=actual)
        self.running.append(request)
        for output in outputs:
            if process.book.change(claim, bound, output, now_us=self.now_us):
                request.is_admitted = True
                return
        self._wish(request, bound, outputs, is_extension=False)

    @precondition(lambda self: self._calm())
    @rule(which=st.integers(0, 99), more=st.integers(0, 9), cached=TOKENS)
    def deliver(self, which: int, more: int, cached: int) -> None:
        """Let a stream go on: by what is held, or else by a wish."""
        request = self._pick(which)
        output = request.claim.counts.output_tokens + more
        counts = self._counts(request, cached, output)
        if request.hold.covers(counts):
            return
        outputs = tuple(output + ahead for ahead in AHEAD)
        self._wish(request, request.prompt, outputs, is_extension=True, counts=counts)

    @precondition(lambda self: self._calm())
    @rule(which=st.integers(0, 99), cached=TOKENS, off=st.integers(-2, 3))
    def settle(self, which: int, cached: int, off: int) -> None:
        """End a request with what it had, or with a chunk less or more."""
        request = self._pick(which)
        output = max(request.claim.counts.output_tokens + off, 0)
        self._settle(request, self._counts(request, cached, output))

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 99))
    def hang_up(self, which: int) -> None:
        """Let a client go, whatever its request waits for."""
        self._end(self.running[which % len(self.running)])

    @rule(at=PROCESSES, what=st.sampled_from(["ask", "beat"]))
    def ask(self, at: int, what: str) -> None:
        """Send something on the connection of leases."""
        process = self._process(at)
        if process.asked is None:
            process.ask() if what == "ask" else process.beat()

    @rule(at=PROCESSES, events=st.integers(1, 4))
    def commit(self, at: int, events: int) -> None:
        """Send some events."""
        process = self._process(at)
        if process.commit is None:
            self._note_overdrawn(process, process.epoch in self.books.closed)
            process.send_commit(events)

    @rule(at=PROCESSES, is_commit=st.booleans(), steps=st.integers(1, 2))
    def go_on(self, at: int, is_commit: bool, steps: int) -> None:
        """Let the database act, or its answer arrive."""
        for _ in range(steps):
            self._process(at).step(is_commit=is_commit)

    @rule(at=PROCESSES)
    def round_trip(self, at: int) -> None:
        """Ask for what is short, and have the answer."""
        process = self._process(at)
        process.finish()
        process.ask()
        process.finish()

    @rule(at=PROCESSES)
    def lose(self, at: int) -> None:
        """Lose an answer, or what was asked."""
        self._process(at).asked = None

    @rule(at=PROCESSES)
    def refuse(self, at: int) -> None:
        """Refuse an event for good."""
        process = self._process(at)
        if process.queue and process.commit is None:
            self.charged.subtract(process.queue[0].charges)
            process.refuse()

    @rule(number=st.sampled_from(sorted(PLACES)), limit=LIMITS)
    def change_limit(self, number: int, limit: int | None) -> None:
        """Set another limit, and recall."""
        row = self.books.rows[number]
        row.limit, row.recalled_us = limit, self.now_us

    @rule(at=PROCESSES, is_noticed=st.booleans())
    def close_epoch(self, at: int, is_noticed: bool) -> None:
        """Close an epoch from outside; its process may notice later."""
        process = self._process(at)
        if process.epoch not in self.books.closed:
            process.close_outside()
        if is_noticed and process.commit is None:
            self._note_overdrawn(process, is_closed=True)
            process.reopen()

    @rule(at=PROCESSES)
    def give_up(self, at: int) -> None:
        """Find that the database is away."""
        self.is_away = True
        self._process(at).book.give_up()
        self.is_away = False

    @rule(us=st.sampled_from([20_000, 250_000, 1_100_000, 3_100_000, 61_000_000]))
    def wait(self, us: int) -> None:
        """Let time go by."""
        self.now_us += us
        for process in self.processes:
            process.book.serve(now_us=self.now_us)

    @invariant()
    def books_agree(self) -> None:
        """See that what is known adds up with what the database has."""
        for process in self.processes:
            for number, row in self.books.rows.items():
                lease = process.book.leases.get(number)
                known = lease.amount + lease.settling if lease else 0
                there = row.leases.get(process.epoch, 0)
                assert there - known == process.beyond[number]

    @invariant()
    def leases_add_up(self) -> None:
        """See that leases are the sums of their claims, and cover them."""
        for process in self.processes:
            held: Counter[Lease] = Counter()
            for claim in process.book.claims:
                for part in claim.parts:
                    assert part.held >= 0
                    held[part.lease] += part.held
            for lease in process.book.leases.values():
                assert lease.held == held[lease]
                if lease.free >= 0:
                    self.overdrawn.discard(lease)
                elif process.epoch not in self.books.closed:
                    assert lease in self.overdrawn

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        """See that nobody waits who is first and could be served."""
        for process in self.processes:
            wishes = list(process.book.wishes)
            for number, wish in enumerate(wishes):
                short, kept = kept_for(wishes[:number])
                assert any(
                    wish.least(part) > 0
                    and (
                        part.lease in short
                        or wish.least(part) > part.lease.free - kept[part.lease]
                    )
                    for part in wish.claim.parts
                )
            for lease in process.book.leases.values():
                assert lease.waiting or (lease.head, lease.reserved) == (None, 0)

    def teardown(self) -> None:
        """Let those who wait be served; then end all and see that all is given back."""
        if not hasattr(self, "processes"):
            return
        for process in self.processes:
            for wish in process.book.wishes:
                wish.until_us = 1 << 60
        self._rounds(40)
        self._require_served()
        while self.running:
            self._end(self.running[0])
        self._rounds(60)
        for number, row in self.books.rows.items():
            assert not any(row.leases.values()), "a lease is left"
            assert row.posted == self.charged[number]
        for process in self.processes:
            for lease in process.book.leases.values():
                assert (lease.amount, lease.held, lease.used) == (0, 0, 0)
                assert (lease.settling, lease.waiting, lease.reserved) == (0, 0, 0)
                assert not lease.claims

    def _rounds(self, count: int) -> None:
        """Let everybody beat, ask and commit for a while.

        Who gave back what is waited for asks later than the others, as the broker does.
        """
        for number in range(count):
            self.now_us += 110_000
            for process in self.processes:
                process.finish()
                if process.epoch in self.books.closed:
                    self._note_overdrawn(process, is_closed=True)
                    process.reopen()
                process.send_commit(99)
                process.beat()
                process.finish()
            first = number % len(self.processes)
            for process in self.processes[first:] + self.processes[:first]:
                process.ask()
                process.finish()

    def _require_served(self) -> None:
        """See that nobody waits for what the others merely keep."""
        held: Counter[int] = Counter()
        for process in self.processes:
            for lease in process.book.leases.values():
                held[lease.window_id] += lease.held
        for process in self.processes:
            before: set[Lease] = set()
            for wish in process.book.wishes:
                leases = {part.lease for part in wish.claim.parts}
                assert before & leases or any(
                    row.limit is not None
                    and row.limit - row.posted - held[part.lease.window_id]
                    < wish.least(part)
                    for part in wish.claim.parts
                    for row in (self.books.rows[part.lease.window_id],)
                ), "somebody could be served"
                before |= leases

    def _wish(
        self,
        request: Running,
        prompt: int,
        outputs: tuple[int, ...],
        *,
        is_extension: bool,
        counts: TokenCounts | None = None,
    ) -> None:
        answers: list[Answer] = []

        def answered(answer: Answer, place: BudgetPlace | None) -> None:
            answers.append(answer)
            assert len(answers) == 1
            if answer is Answer.SPENT:
                self._require_spent(request, wish, place)
            elif answer is Answer.LATE:
                assert wish.until_us <= self.now_us or self.is_away
            else:
                request.is_admitted = True
                if counts is not None:
                    request.claim.counts, request.claim.is_exact = counts, True
            request.wish = None

        wish = Wish(
            request.claim,
            prompt,
            outputs,
            is_extension,
            self.now_us + PATIENCE_US * (10 if is_extension else 1),
            answered,
        )
        request.wish = wish
        request.process.book.wish(wish, now_us=self.now_us)

    def _require_spent(
        self, request: Running, wish: Wish, place: BudgetPlace | None
    ) -> None:
        """See that less is left than the least that was wished for."""
        (part,) = (p for p in request.claim.parts if p.lease.place == place)
        number = part.lease.window_id
        limit = request.process.standings[number].in_force
        assert limit is not None
        left = limit - self.books.rows[number].posted
        for process in self.processes:
            left -= process.unposted(number) + process.slack[number]
            for claim in process.book.claims:
                for each in claim.parts:
                    if each.lease.window_id == number and claim is not request.claim:
                        left -= claim.used(each)
        need = wish.claim.need(part, wish.prompt_tokens, wish.outputs[-1])
        assert left < need, "it is not spent"

    def _settle(self, request: Running, counts: TokenCounts) -> None:
        process, claim = request.process, request.claim
        for part in claim.parts:
            amount = amount_of(part.lease.place, PRICE, counts)
            unused = max(claim.used(part), part.used) - amount
            process.slack[part.lease.window_id] += max(unused, 0)
            if amount > part.held:
                self.overdrawn.add(part.lease)
        self.running.remove(request)
        uses = process.book.settle(claim, counts, now_us=self.now_us)
        process.settled(uses)
        self.charged.update(uses)

    def _end(self, request: Running) -> None:
        """End a request as a client does that goes: by what it had."""
        if request.wish is not None:
            wish, request.wish = request.wish, None
            request.process.book.withdraw(wish, now_us=self.now_us)
        if request.claim.is_exact:
            self._settle(request, request.claim.counts)
        else:
            self.running.remove(request)
            request.process.book.release(request.claim, now_us=self.now_us)

    def _counts(self, request: Running, cached: int, output: int) -> TokenCounts:
        cached = min(cached, request.prompt)
        return TokenCounts(request.prompt - cached, cached, output)

    def _note_overdrawn(self, process: Process, is_closed: bool) -> None:
        if is_closed:
            self.overdrawn.update(process.book.leases.values())

    def _process(self, at: int) -> Process:
        return self.processes[at % len(self.processes)]

    def _calm(self) -> bool:
        return any(each.is_admitted and not each.wish for each in self.running)

    def _pick(self, which: int) -> Running:
        calm = [each for each in self.running if each.is_admitted and not each.wish]
        return calm[which % len(calm)]


Leases.TestCase.settings = settings(
    max_examples=int(os.environ.get("LEASE_EXAMPLES", "200")),
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestLeases = Leases.TestCase
