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

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

from inference.routing.serving import Priority
from inference.scheduling.accounts import (
    NEWEST,
    WEIGHT_USUAL,
    Account,
    Charge,
    TenantClass,
    Ticket,
    cost,
)
from inference.scheduling.turns import Ask


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


class FairQueue:
    """The requests that wait for one pool of replicas."""

    def __init__(self, *, is_exchanged: bool = False) -> None:
        self.waiting = 0
        self._classes = {priority: TenantClass() for priority in reversed(Priority)}
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
        of.mean += (weighed - of.mean) * NEWEST if of.mean else weighed
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
                else before + (output_tokens - before) * NEWEST
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

    def _add(self, of: TenantClass, account: Account, worth: float) -> None:
        added = account.add(worth)
        if account.line:
            of.moved(account)
        if self._is_exchanged:
            account.unsaid += added
            self._unsaid.add(account)
