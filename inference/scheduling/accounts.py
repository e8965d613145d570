"""What each tenant of a class has had, and which of them has had least.

A counter is of virtual tokens, by the tenant's weight. The level of a class is that of
who is served: it says what idle tenants are lifted to, and whose counter says nothing
any more. Pure.
"""

from collections import OrderedDict
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count

from inference.routing.serving import Priority
from inference.scheduling.turns import Ask

# What a token is worth: one of output takes a step of its own.
INPUT_COST, OUTPUT_COST = 1, 2
# A plan's usual weight: with it a virtual token is a token.
WEIGHT_USUAL = 100
# How many tokens an answer is taken for while none of the tenant's was seen, and how
# much a new one says against those before it.
OUTPUT_FIRST = 256
NEWEST = 0.1
# How many accounts may say nothing any more before they are looked through.
_IDLE_MAX = 64


def cost(input_tokens: float, output_tokens: float) -> float:
    """Return what a request is worth, before its tenant's weight."""
    return INPUT_COST * input_tokens + OUTPUT_COST * output_tokens


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


class TenantClass:
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
        """Return the account of who asks; one that waits for nothing is lifted."""
        account = self.accounts.get(ask.tenant_id)
        if account is None:
            if len(self.accounts) >= self.accounts_max:
                self.forget()
            account = Account(ask.tenant_id, ask.priority, self.level)
            self.accounts[ask.tenant_id] = account
        account.weight = max(1, ask.weight)
        if not account.line and account.counter < self.level:
            account.counter = account.joined = self.level
        return account

    def first(self) -> Account | None:
        """Return who has had least of those that wait."""
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
        """Take a ticket out of its line; tell whether it was there."""
        line = ticket.account.line
        if ticket not in line:
            return False
        del line[ticket]
        self.waiting -= 1
        self.tenants -= not line
        return True

    def forget(self) -> None:
        """Forget accounts that say nothing."""
        self.accounts = {
            tenant_id: each
            for tenant_id, each in self.accounts.items()
            if each.line or each.running or each.counter > self.level or each.unsaid
        }
        self.accounts_max = _IDLE_MAX + 2 * len(self.accounts)
