"""A dictionary model of the database's leases, and a process that asks it.

What a process asks is under way in two steps: the database does it, and the answer
arrives; in between and before, anything may happen. Both of a process's connections are
there, the one of its leases and the one of its commits.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kit.contracts import BudgetPlace, LinearPrice
from metering.intake.claims import Claim, Lease, Standing, Wish
from metering.intake.leases import LeaseBook

PRICE = LinearPrice(1, "model", "USD", 7, 2, 11)
RECALL_EACH_US = 100_000


def place(level: str, holder: int, kind: str, unit: str = "") -> BudgetPlace:
    """Make a hard place of the one tenant."""
    return BudgetPlace(1, level, holder, kind, unit, "day", "", is_hard=True)


PLACES = {
    1: place("tenant", 1, "budget"),
    2: place("tenant", 1, "quota", "total_tokens"),
    3: place("project", 2, "quota", "input_tokens"),
    4: place("project", 2, "budget"),
    5: place("api_key", 3, "quota", "output_tokens"),
}


@dataclass(slots=True)
class Row:
    """A window of the model."""

    limit: int | None = None
    posted: int = 0
    recalled_us: int = 0
    # By epoch: what is leased, and what is said to be used of it.
    leases: dict[int, int] = field(default_factory=dict)
    used: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Books:
    """All windows: the functions of `metering.budgets`, in memory."""

    rows: dict[int, Row] = field(
        default_factory=lambda: {number: Row() for number in PLACES}
    )
    closed: set[int] = field(default_factory=set)

    def grant(
        self, epoch: int, asked: dict[int, tuple[int, int]], now_us: int
    ) -> dict[int, Standing]:
        """Do as `budgets_grant`; fail where a grant goes beyond the limit."""
        standings: dict[int, Standing] = {}
        if epoch in self.closed:
            return standings
        for window_id, (least, asked_want) in sorted(asked.items()):
            row, want = self.rows[window_id], max(asked_want, least)
            leased = sum(row.leases.values())
            elsewhere = leased - row.leases.get(epoch, 0)
            used_elsewhere = sum(row.used.values()) - row.used.get(epoch, 0)
            granted = want
            if row.limit is not None:
                rest = row.limit - row.posted - leased
                granted = min(want, max(least, rest // 8))
                if rest < least or rest <= 0:
                    granted = 0
                assert granted == 0 or row.posted + leased + granted <= row.limit
            if granted > 0:
                row.leases[epoch] = row.leases.get(epoch, 0) + granted
                row.used.setdefault(epoch, 0)
            elif (
                least > 0
                and elsewhere > used_elsewhere
                and row.recalled_us < now_us - RECALL_EACH_US
            ):
                row.recalled_us = now_us
            standings[window_id] = Standing(
                granted, row.limit, row.posted, used_elsewhere
            )
        return standings

    def give_back(self, epoch: int, back: dict[int, int]) -> dict[int, int]:
        """Do as `budgets_return`; return what went off which leases."""
        taken = {}
        for window_id, amount in back.items():
            leases = self.rows[window_id].leases
            if epoch in leases:
                taken[window_id] = min(amount, leases[epoch])
                leases[epoch] -= taken[window_id]
        return taken

    def beat(
        self, epoch: int, known: dict[int, int], used: dict[int, int]
    ) -> dict[int, tuple[int, int]]:
        """Do as `budgets_beat`."""
        found = {}
        for window_id, amount in known.items():
            row = self.rows[window_id]
            if row.leases.get(epoch, -1) >= amount:
                row.used[epoch] = used[window_id]
            found[window_id] = row.leases.get(epoch, 0), row.recalled_us
        return found

    def post(
        self,
        epoch: int,
        *,
        charges: dict[int, int],
        uses: dict[int, int],
        used: dict[int, int],
    ) -> dict[int, int]:
        """Do as `budgets_post`; return what went off which leases."""
        taken = {}
        for window_id, amount in charges.items():
            self.rows[window_id].posted += amount
        for window_id, amount in uses.items():
            row = self.rows[window_id]
            if epoch in row.leases:
                taken[window_id] = min(amount, row.leases[epoch])
                row.leases[epoch] -= taken[window_id]
                row.used[epoch] = used[window_id]
        return taken

    def close(self, epoch: int) -> None:
        """Do as the trigger of a closed epoch."""
        self.closed.add(epoch)
        for row in self.rows.values():
            row.leases.pop(epoch, None)
            row.used.pop(epoch, None)


Deliver = Callable[[], None]


@dataclass(slots=True)
class Asked:
    """Something on its way: what the database does, and what its answer does here."""

    act: Callable[[], Deliver]
    deliver: Deliver | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A settled request, on its way to the database."""

    charges: dict[int, int]
    uses: dict[int, int]


def kept_for(older: Sequence[Wish]) -> tuple[set[Lease], Counter[Lease]]:
    """Return what nobody may have of who comes after these: the rule, by itself.

    Of what the first of them lacks, nothing; of its other leases, not what it takes of
    them. Who is behind such a one has no say.
    """
    short: set[Lease] = set()
    kept: Counter[Lease] = Counter()
    for wish in older:
        more = {part.lease: wish.least(part) for part in wish.claim.parts}
        lacks = {
            lease
            for lease, least in more.items()
            if least > 0 and (lease in short or least > lease.free - kept[lease])
        }
        if lacks & short:
            continue
        short |= lacks
        for lease in more.keys() - short:
            kept[lease] += max(more[lease], 0)
    return short, kept


class CheckedBook(LeaseBook):
    """A book that fails where a claim grows that may not."""

    __slots__ = ()

    def _hold(
        self,
        claim: Claim,
        prompt_tokens: int,
        output_tokens: int,
        needs: Sequence[int],
        *,
        now_us: int,
    ) -> bool:
        mine = [wish for wish in self.wishes if wish.claim is claim]
        wishes = list(self.wishes)
        older = wishes[: wishes.index(mine[0])] if mine else wishes
        short, kept = kept_for(older)
        for part, need in zip(claim.parts, needs, strict=True):
            if need > part.held:
                assert part.lease not in short
                assert need - part.held <= part.lease.free - kept[part.lease]
        return LeaseBook._hold(
            self, claim, prompt_tokens, output_tokens, needs, now_us=now_us
        )


@dataclass(slots=True, eq=False)
class Process:
    """One gateway process: a book, and what is on its two connections."""

    books: Books
    epoch: int
    now_us: Callable[[], int]
    book: CheckedBook = field(default_factory=CheckedBook)
    asked: Asked | None = None
    commit: Asked | None = None
    queue: list[Event] = field(default_factory=list)
    standings: dict[int, Standing] = field(default_factory=dict)
    # What is sent for its commit, and not posted yet.
    sending: Counter[int] = field(default_factory=Counter)
    # By how much each lease should be more in the database than here.
    beyond: Counter[int] = field(default_factory=Counter)
    # What was used and is not billed, and the database may count as used still.
    slack: Counter[int] = field(default_factory=Counter)

    def ask(self) -> None:
        """Send for what is short."""
        asked, epoch = self.book.needs(now_us=self.now_us()), self.epoch

        def act() -> Deliver:
            standings = self.books.grant(epoch, asked, self.now_us())
            grants = {number: each.granted for number, each in standings.items()}
            self.beyond.update(grants)

            def deliver() -> None:
                self.beyond.subtract(grants)
                self.standings = standings
                self.book.granted(standings, now_us=self.now_us())

            return deliver

        if asked:
            self.asked = Asked(act)

    def beat(self) -> None:
        """Tell what is used; what is to go back follows with the answer."""
        self.book.measure()
        epoch, known, slack = self.epoch, self.book.known(), Counter(self.slack)
        used = {number: self.book.leases[number].used for number in known}

        def act() -> Deliver:
            found = self.books.beat(epoch, known, used)
            for number in known:
                if self.books.rows[number].used.get(epoch) == used[number]:
                    self.slack[number] -= slack[number]

            def deliver() -> None:
                self._compare(found, known)

            return deliver

        self.asked = Asked(act)

    def _compare(
        self, found: dict[int, tuple[int, int]], known: dict[int, int]
    ) -> None:
        back: Counter[int] = Counter()
        for number, (amount, recalled_us) in found.items():
            before = self.book.leases[number].amount
            back[number] = self.book.compare(number, amount, known=known[number])
            self.beyond[number] -= self.book.leases[number].amount - before
            self.book.recall(number, recalled_us=recalled_us, now_us=self.now_us())
        idle = self.book.look(0.25, now_us=self.now_us())
        self.book.serve(now_us=self.now_us())
        self.beyond.update(idle)
        back.update(idle)
        back = +back
        epoch = self.epoch

        def act() -> Deliver:
            self.beyond.subtract(self.books.give_back(epoch, back))
            return lambda: None

        if back:
            self.asked = Asked(act)

    def send_commit(self, events: int) -> None:
        """Send some of what is queued, in a new epoch where this one is closed."""
        if self.epoch in self.books.closed:
            self.reopen()
        batch, self.queue = self.queue[:events], self.queue[events:]
        uses: Counter[int] = Counter()
        charges: Counter[int] = Counter()
        for event in batch:
            uses.update(event.uses)
            charges.update(event.charges)
        leases = self.book.leases
        used = {number: leases[number].used for number in uses if number in leases}
        uses = Counter({number: uses[number] for number in used})
        epoch = self.epoch

        def act() -> Deliver:
            taken = self.books.post(epoch, charges=charges, uses=uses, used=used)
            self.sending = Counter()
            self.beyond.subtract(taken)

            def deliver() -> None:
                self.beyond.update(uses)
                self.book.settled(uses)

            return deliver

        if batch:
            self.commit = Asked(act)
            self.sending = charges

    def settled(self, uses: dict[int, int]) -> None:
        """Queue the event of a request that ended with these."""
        self.queue.append(Event(dict(uses), dict(uses)))

    def refuse(self) -> None:
        """Set an event aside that the database will never take."""
        event = self.queue.pop(0)
        self.slack.update(event.charges)
        self.book.not_settled(event.uses)
        self.book.serve(now_us=self.now_us())

    def reopen(self) -> None:
        """Go on in a new epoch: somebody closed the one before."""
        self.books.close(self.epoch)
        self.epoch += 100
        self.book.forget()
        # What is under way is of the epoch before.
        self.asked = None
        self.queue = [Event(event.charges, {}) for event in self.queue]
        self.beyond.clear()

    def close_outside(self) -> None:
        """Close the epoch behind the process's back."""
        for number, row in self.books.rows.items():
            self.beyond[number] -= row.leases.get(self.epoch, 0)
        self.books.close(self.epoch)

    def step(self, *, is_commit: bool) -> None:
        """Let what is under way go one step on."""
        asked = self.commit if is_commit else self.asked
        if asked is None:
            return
        if asked.deliver is None:
            asked.deliver = asked.act()
            return
        if is_commit:
            self.commit = None
        else:
            self.asked = None
        asked.deliver()

    def finish(self) -> None:
        """Let all arrive that is under way, and what follows from it."""
        while self.commit or self.asked:
            self.step(is_commit=True)
            self.step(is_commit=False)

    def unposted(self, window_id: int) -> int:
        """Return what settled requests come to that is not posted."""
        queued = sum(event.charges.get(window_id, 0) for event in self.queue)
        return queued + self.sending[window_id]
