"""Who may send a request now: a Protocol, and what its answers say.

A *rule* limits a flow (requests or tokens a window) or how many requests run at once. A
request is charged against all its rules in one step: it takes from each, or from none.
Flows refill steadily and hold at most one window's worth. What was taken for a request
is put right when it is known what it used, and may then leave a debt.

Failure: an implementation says what it does when its store is away. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

from kit.contracts import TokenCounts
from kit.records import record

# How long a slot is held without being renewed, and how often to renew it: two renewals
# may be late before somebody else gets it.
SLOT_US = 30_000_000
RENEW_S = 10.0
# What a store's doubles count exactly; nobody can set a higher limit.
LIMIT_MAX = 2**53 - 1
WINDOW_US_MAX = 366 * 86_400 * 1_000_000


class Unit(StrEnum):
    """What a rule counts, in the words of a rate limit: flows, or what runs at once."""

    REQUESTS = "requests"
    TOKENS = "tokens"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    CONCURRENT_REQUESTS = "concurrent_requests"


def rule_key(tenant_id: int, *names: object) -> str:
    """Return the name of a tenant's rule.

    Braces are how Redis Cluster is told to keep what belongs together in one place.
    """
    return ":".join((f"{{t{tenant_id}}}", *map(str, names)))


@dataclass(frozen=True, slots=True)
class Rule:
    """So much of a unit in a window, under a key of its own; see `rule_key`.

    A limit of 0 refuses everything. `window_us` is 0 for concurrency. What is used of
    a key outlives a change of its limit, and not one of its window.
    """

    key: str
    unit: Unit
    limit: int
    window_us: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.limit <= LIMIT_MAX:
            raise ValueError(f"{self.key}: a limit is 0 to {LIMIT_MAX}")
        has_none = self.unit is Unit.CONCURRENT_REQUESTS
        if (
            has_none != (self.window_us == 0)
            or not 0 <= self.window_us <= WINDOW_US_MAX
        ):
            raise ValueError(f"{self.key}: a flow has a window, concurrency none")

    def __hash__(self) -> int:
        # Two rules of one key are rare, and a string remembers its hash.
        return hash(self.key)

    @property
    def is_flow(self) -> bool:
        """Tell requests and tokens from concurrency."""
        return self.window_us > 0


@record(frozen=True, slots=True)
class Charge:
    """What a request takes of a rule."""

    rule: Rule
    amount: int = 1

    def __post_init__(self) -> None:
        if self.amount < 0 or (self.amount != 1 and not self.rule.is_flow):
            raise ValueError(f"{self.rule.key}: nobody can take {self.amount}")

    @property
    def taken(self) -> int:
        """Return what is taken: no more than there can ever be.

        A request that needs more than a whole window's worth would otherwise never
        run. What it really used makes a debt afterwards.
        """
        return min(self.amount, self.rule.limit)


class Standing(NamedTuple):
    """How one rule stands: after the take, or unchanged by a refused one.

    `reset_us` is how long until nothing of a flow is used any more. `wait_us` is how
    long this rule alone makes a refused request wait: 0 when it would let it pass, None
    when waiting never helps.
    """

    charge: Charge
    remaining: int
    reset_us: int
    wait_us: int | None = 0


@record(frozen=True, slots=True)
class Verdict:
    """The answer to a take, with a standing for each charge, in their order."""

    allowed: bool
    standings: tuple[Standing, ...]

    @property
    def retry_after_us(self) -> int | None:
        """Return how long to wait; None when waiting never helps.

        If nobody else takes anything meanwhile, the same request then passes. That
        holds for flows; when another request ends, nobody can tell.
        """
        worst = self._worst()
        return worst.wait_us if worst else 0

    @property
    def refused_by(self) -> Rule | None:
        """Return the rule to name: the one that makes the request wait longest."""
        worst = self._worst()
        return worst.charge.rule if worst else None

    @property
    def oversized(self) -> tuple[Charge, ...]:
        """Return the charges that no window's worth suffices for."""
        return tuple(
            each.charge
            for each in self.standings
            if each.charge.amount > each.charge.rule.limit
        )

    def _worst(self) -> Standing | None:
        if self.allowed:
            return None
        return max(self.standings, key=_severity)


class Taken(Protocol):
    """What one request took, until it is settled or given back: one of both, once."""

    # What the client is to be told of it.
    headers: Mapping[str, str]

    def settle(self, counts: TokenCounts) -> None:
        """Put the tokens right, once it is known what was used, and end the slots."""
        ...

    def release(self) -> None:
        """End the slots: the request has ended, though it may not be settled yet."""
        ...

    def give_back(self) -> None:
        """Undo all of it: the request has not run."""
        ...


class RateLimiter(Protocol):
    """Takes from all rules of a request or from none.

    Only `take` is waited for. Whoever was allowed calls `settle` once at the end, or
    `give_back` if nothing was run, with the same charges. A take that is cancelled
    gives itself back. All rules of one call are one tenant's, and each is there once.
    """

    def try_take(
        self, rules: tuple[Rule, ...], *, input_tokens: int, output_tokens: int
    ) -> Taken | None:
        """Take at once of what is here already; None: it has to be asked for.

        Asked with the same tuple again and again, it is found by that.
        """
        ...

    async def take(self, request_id: UUID, charges: Sequence[Charge]) -> Verdict:
        """Take all charges, or none of them; see `Charge.taken`."""
        ...

    def settle(
        self, request_id: UUID, charges: Sequence[Charge], used: Mapping[Unit, int]
    ) -> None:
        """Put the flows right by what was really used, and end the slots.

        Units that `used` does not name stay as they were taken.
        """
        ...

    def release(self, request_id: UUID, charges: Sequence[Charge]) -> None:
        """End the slots, before `settle`, which may have to wait. Idempotent."""
        ...

    def give_back(self, request_id: UUID, charges: Sequence[Charge]) -> None:
        """Undo a take, instead of `settle`."""
        ...

    def renew(self, running: Iterable[UUID]) -> None:
        """Hold the slots of these requests for another `SLOT_US`.

        To be called every `RENEW_S` with all requests that run or wait to run. The
        slots of others lapse: nothing that was forgotten holds one for ever.
        """
        ...

    async def close(self) -> None:
        """Let go of what the limiter holds open."""
        ...


def corrections(
    charges: Sequence[Charge], used: Mapping[Unit, int]
) -> list[tuple[Rule, int]]:
    """Return by how much each flow was charged too little, where it was."""
    wrong: list[tuple[Rule, int]] = []
    for charge in charges:
        rule = charge.rule
        if rule.is_flow and rule.unit in used:
            delta = used[rule.unit] - charge.taken
            if delta and rule.limit:
                wrong.append((rule, delta))
    return wrong


def reversals(charges: Sequence[Charge]) -> list[tuple[Rule, int]]:
    """Return the corrections that undo a take of these charges."""
    return [
        (charge.rule, -charge.taken)
        for charge in charges
        if charge.rule.is_flow and charge.taken
    ]


def slot_keys(charges: Sequence[Charge]) -> tuple[str, ...]:
    """Return the keys of the rules that count what runs at once."""
    return tuple(each.rule.key for each in charges if not each.rule.is_flow)


def _severity(standing: Standing) -> tuple[bool, int]:
    return (standing.wait_us is None, standing.wait_us or 0)
