"""Whose request is next: the best class first, and in it the tenant that has had least.

What a tenant has had is counted in virtual tokens: of input, and of output twice, by
its weight. A request is charged when its turn comes, by what it is expected to use, and
put right by what it did use. Who has waited for nothing is lifted to the level of those
who are served: idleness is no credit, and what was used while nobody waited no debt.
Two tenants that wait all the time are never further apart than what each has been
charged wrongly, and one request of each. Within a tenant it is first come, first
served.

Other processes serve the same tenants: their charges are exchanged, as `unsaid` and
`learn` tell. Source: virtual token counters, with start-time fair queueing's level.

Failure: none. Pure. Owns: lines and counters of one pool; an account that says nothing
any more is forgotten.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import chain, count, islice
from typing import NamedTuple

from inference.routing.serving import Priority
from inference.scheduling.turns import Ask

# What a token is worth: one of output takes a step of its own.
INPUT_COST, OUTPUT_COST = 1, 2
# A plan's usual weight: with it a virtual token is a token.
WEIGHT_USUAL = 100
# How many tokens an answer is taken for while none of the tenant's was seen, and how
# much a new one says against those before it.
OUTPUT_FIRST = 256
_NEWEST = 0.1
# How many accounts may say nothing any more before they are looked through.
_IDLE_MAX = 64


def cost(input_tokens: float, output_tokens: float) -> float:
    """Return what a request is worth, before its tenant's weight."""
    return INPUT_COST * input_tokens + OUTPUT_COST * output_tokens


class Rank(NamedTuple):
    """A place in the order of all that wait: a better class, then a lower counter."""

    priority: Priority
    counter: float

    def is_before(self, other: "Rank", *, by: float = 0.0) -> bool:
        """Tell whether it comes first; within a class by more than so much."""
        if self.priority != other.priority:
            return self.priority > other.priority
        return self.counter + by < other.counter


class Claim(NamedTuple):
    """What waits in one class: so many requests, and the rank of the first.

    By `step` the rank of each is after the one before it.
    """

    rank: Rank
    step: float
    waiting: int


class Account:
    """One tenant in one class: what it has had, what waits and what runs."""

    __slots__ = (
        "counter",
        "joined",
        "line",
        "output_mean",
        "priority",
        "running",
        "tenant_id",
        "unsaid",
        "weight",
    )

    def __init__(self, tenant_id: int, priority: Priority, level: float) -> None:
        self.tenant_id, self.priority = tenant_id, priority
        self.counter = self.joined = level
        # Tickets in their order; any of them leaves at once.
        self.line: OrderedDict[Ticket, None] = OrderedDict()
        self.running = 0
        self.weight = WEIGHT_USUAL
        self.output_mean: float | None = None
        # What it was charged here since the other processes were last told.
        self.unsaid = 0.0

    def expected(self, ask: Ask) -> float:
        """Return what a request of it is expected to be worth."""
        mean = OUTPUT_FIRST if self.output_mean is None else self.output_mean
        return cost(ask.input_tokens, min(ask.output_tokens, mean))

    def add(self, worth: float) -> float:
        """Count what was used, or less than none: never to before it was lifted.

        Return by how much the counter has changed.
        """
        counter = max(self.counter + worth * WEIGHT_USUAL / self.weight, self.joined)
        added = counter - self.counter
        self.counter = counter
        return added


class Ticket:
    """A request's place in line."""

    __slots__ = ("account", "ask")

    def __init__(self, ask: Ask, account: Account) -> None:
        self.ask, self.account = ask, account


@dataclass(slots=True, eq=False)
class Charge:
    """What a request was charged for its turn."""

    account: Account
    worth: float


class _Class:
    """The tenants of one class."""

    __slots__ = (
        "accounts",
        "accounts_max",
        "heap",
        "level",
        "mean",
        "numbers",
        "tenants",
        "waiting",
    )

    def __init__(self) -> None:
        self.accounts: dict[int, Account] = {}
        # Of those who wait, and of what they were: an entry that is not its account's
        # counter any more says nothing.
        self.heap: list[tuple[float, int, Account]] = []
        self.numbers = count()
        self.accounts_max = _IDLE_MAX
        self.level = 0.0
        self.waiting = 0
        self.tenants = 0
        # What a request is worth here, by its weight.
        self.mean = 0.0

    def account_of(self, ask: Ask) -> Account:
        account = self.accounts.get(ask.tenant_id)
        if account is None:
            if len(self.accounts) >= self.accounts_max:
                self._forget()
            account = Account(ask.tenant_id, ask.priority, self.level)
            self.accounts[ask.tenant_id] = account
        account.weight = max(1, ask.weight)
        if not account.line and account.counter < self.level:
            account.counter = account.joined = self.level
        return account

    def first(self) -> Account | None:
        heap = self.heap
        while heap:
            counter, _, account = heap[0]
            if account.line and counter == account.counter:
                return account
            heappop(heap)
        return None

    def moved(self, account: Account) -> None:
        """Note that the counter of an account that waits is another."""
        if len(self.heap) > _IDLE_MAX + 4 * self.tenants:
            waiting = {each: None for _, _, each in self.heap if each.line}
            waiting[account] = None
            self.heap = [(each.counter, next(self.numbers), each) for each in waiting]
            heapify(self.heap)
        else:
            heappush(self.heap, (account.counter, next(self.numbers), account))

    def leave(self, ticket: Ticket) -> bool:
        line = ticket.account.line
        if ticket not in line:
            return False
        del line[ticket]
        self.waiting -= 1
        self.tenants -= not line
        return True

    def _forget(self) -> None:
        self.accounts = {
            tenant_id: each
            for tenant_id, each in self.accounts.items()
            if each.line or each.running or each.counter > self.level or each.unsaid
        }
        self.accounts_max = _IDLE_MAX + 2 * len(self.accounts)


class FairQueue:
    """The requests that wait for one pool of replicas."""

    def __init__(self, *, is_exchanged: bool = False) -> None:
        self.waiting = 0
        self._classes = {priority: _Class() for priority in reversed(Priority)}
        self._is_exchanged = is_exchanged
        self._unsaid: set[Account] = set()

    def join(self, ask: Ask) -> Ticket:
        """Put a request at the end of its tenant's line."""
        of = self._classes[ask.priority]
        account = of.account_of(ask)
        ticket = Ticket(ask, account)
        if not account.line:
            of.tenants += 1
            account.line[ticket] = None
            of.moved(account)
        else:
            account.line[ticket] = None
        of.waiting += 1
        self.waiting += 1
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Take a request out of its line; idempotent."""
        self.waiting -= self._classes[ticket.ask.priority].leave(ticket)

    def head(self) -> Ticket | None:
        """Return the request whose turn is next."""
        for of in self._classes.values():
            account = of.first() if of.waiting else None
            if account is not None:
                return next(iter(account.line))
        return None

    def rank(self, ticket: Ticket) -> Rank:
        """Return where a request's tenant stands."""
        return Rank(ticket.ask.priority, ticket.account.counter)

    def slack(self, priority: Priority) -> float:
        """Return by how much processes may be apart: what a request is worth."""
        return self._classes[priority].mean

    def charge(self, ask: Ask) -> Charge:
        """Charge a request that runs from now on; one that waited leaves first."""
        of = self._classes[ask.priority]
        account = of.account_of(ask)
        of.level = max(of.level, account.counter)
        worth = account.expected(ask)
        weighed = worth * WEIGHT_USUAL / account.weight
        of.mean += (weighed - of.mean) * _NEWEST if of.mean else weighed
        account.running += 1
        self._add(of, account, worth)
        if not of.waiting:
            # What nobody waits for is no debt.
            of.level = max(of.level, account.counter)
        return Charge(account, worth)

    def serve(self, ticket: Ticket) -> Charge:
        """Take the head out of its line, and charge it."""
        # It is charged as one that waits: nothing lifts it.
        charge = self.charge(ticket.ask)
        self.leave(ticket)
        return charge

    def settle(
        self, charge: Charge, *, input_tokens: int = 0, output_tokens: int = 0
    ) -> None:
        """Put a charge right by what was used."""
        account = charge.account
        account.running -= 1
        if output_tokens:
            before = account.output_mean
            account.output_mean = (
                float(output_tokens)
                if before is None
                else before + (output_tokens - before) * _NEWEST
            )
        wrong = cost(input_tokens, output_tokens) - charge.worth
        if wrong:
            self._add(self._classes[account.priority], account, wrong)

    def over(self) -> Ticket | None:
        """Return who would have to make room.

        Of the lowest class that waits it is the last request of the tenant that has
        most in line for its weight.
        """
        for of in reversed(self._classes.values()):
            waiting = [each for each in of.accounts.values() if each.line]
            if waiting:
                most = max(waiting, key=lambda each: len(each.line) / each.weight)
                return next(reversed(most.line))
        return None

    def in_line(self, ask: Ask) -> int:
        """Return how many requests of its tenant and class wait."""
        account = self._classes[ask.priority].accounts.get(ask.tenant_id)
        return len(account.line) if account is not None else 0

    def claims(self) -> list[Claim]:
        """Return what waits, by class."""
        found: list[Claim] = []
        for priority, of in self._classes.items():
            account = of.first() if of.waiting else None
            if account is not None:
                rank = Rank(priority, account.counter)
                step = of.mean or account.expected(next(iter(account.line)).ask)
                found.append(Claim(rank, step / of.tenants, of.waiting))
        return found

    def levels(self) -> Iterator[Rank]:
        """Yield each class's level."""
        return (Rank(priority, of.level) for priority, of in self._classes.items())

    def take_unsaid(self, most: int) -> list[tuple[Account, float]]:
        """Return what the other processes were not told yet, by account.

        Of accounts that wait it is told though it be nothing: what they have had
        elsewhere comes back. At most so many are told at once.
        """
        waiting = (
            each
            for of in self._classes.values()
            if of.waiting
            for each in of.accounts.values()
            if each.line
        )
        told = dict.fromkeys(islice(chain(self._unsaid, waiting), most))
        self._unsaid.difference_update(told)
        found = [(account, account.unsaid) for account in told]
        for account in told:
            account.unsaid = 0.0
        return found

    def untold(self, said: Iterable[tuple[Account, float]]) -> None:
        """Take back what could not be said."""
        for account, worth in said:
            account.unsaid += worth
            self._unsaid.add(account)

    def learn(
        self,
        counters: Iterable[tuple[Account, float]],
        levels: Iterable[Rank],
    ) -> None:
        """Take over what tenants have had from all processes, and their level."""
        for priority, level in levels:
            of = self._classes[priority]
            of.level = max(of.level, level)
        for account, counter in counters:
            # What was charged since it was said comes on top.
            now = counter + account.unsaid
            if now != account.counter:
                account.counter = now
                account.joined = min(account.joined, now)
                if account.line:
                    self._classes[account.priority].moved(account)

    def __len__(self) -> int:
        """Return how many accounts are kept."""
        return sum(len(of.accounts) for of in self._classes.values())

    def _add(self, of: _Class, account: Account, worth: float) -> None:
        added = account.add(worth)
        if account.line:
            of.moved(account)
        if self._is_exchanged:
            account.unsaid += added
            self._unsaid.add(account)
