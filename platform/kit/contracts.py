"""Where serving and metering meet: facts and Protocols that both sides know.

`inference` and `metering` never import each other. The gateway talks to a `Meter`; the
composition root hands it the one from `metering.intake`. Everything here is pure and
immutable.
"""

import asyncio
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from kit.handling import NOT_NOTED, Handling
from kit.latency import NO_LATENCY, Latency
from kit.records import record


class Surface(enum.IntEnum):
    """The API a request came through. Values are stored."""

    CHAT_COMPLETIONS = 1
    COMPLETIONS = 2
    RESPONSES = 3
    MESSAGES = 4
    EMBEDDINGS = 5
    RERANK = 6
    SCORE = 7


class EventKind(enum.IntEnum):
    """What a usage event records: a request or a correction. Values are stored."""

    REQUEST = 0
    LATE = 1
    UNDELIVERED = 2
    RETRY = 3
    ADJUSTMENT = 4


class EventStatus(enum.IntEnum):
    """Why a request ended. Values are stored."""

    OK = 0
    CLIENT_GONE = 1
    ENGINE_ERROR = 2
    ENGINE_TIMEOUT = 3
    BUDGET_EXHAUSTED = 4
    KEY_REVOKED = 5
    DRAINED = 6
    UNDELIVERED = 7


class CountedBy(enum.IntEnum):
    """Who counted the tokens. Values are stored."""

    ENGINE = 0
    TOKENIZER = 1
    NONE = 2


class TokenClass(enum.IntEnum):
    """A kind of token with its own price, or a count kept beside them (stored).

    INPUT, CACHED_INPUT and OUTPUT partition a request's tokens and carry its charge.
    REQUESTS counts requests; REASONING is the part of OUTPUT spent thinking.
    """

    REQUESTS = 0
    INPUT = 1
    CACHED_INPUT = 2
    OUTPUT = 3
    REASONING = 4


@record(frozen=True, slots=True)
class Caller:
    """Who asked: the tenant that pays, in what currency, the project, the key.

    `models` are those that the key is kept to, None when it is not.
    """

    tenant_id: int
    project_id: int
    api_key_id: int
    currency: str
    models: frozenset[str] | None = None

    def may_call(self, model: str) -> bool:
        """Tell whether the key reaches a model, if there is such a one."""
        return self.models is None or model in self.models


@dataclass(frozen=True, slots=True)
class LinearPrice:
    """What one token of each class costs under one published price, in picos."""

    id: int
    model: str
    currency: str
    input_picos: int
    cached_input_picos: int
    output_picos: int


@record(frozen=True, slots=True)
class TokenCounts:
    """Tokens of one request by class; `reasoning_tokens` lie inside `output_tokens`."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@record(frozen=True, slots=True)
class Admission:
    """A request that may run: its id, its instant by the database, its price."""

    request_id: UUID
    admitted_at_us: int
    caller: Caller
    price: LinearPrice
    surface: Surface
    streamed: bool


@dataclass(frozen=True, slots=True)
class BudgetPlace:
    """What one budget or quota in effect counts: for whom, of what, over which window.

    `kind` is `budget` (money), `quota` (tokens of `unit`) or `credit` (what a prepaid
    tenant was granted). `level` is `tenant`, `project` or `api_key`, `window` is `day`,
    `month` or `forever`. `model` is empty for all. A soft one only warns. How much it
    is, the database alone knows.
    """

    tenant_id: int
    level: str
    holder_id: int
    kind: str
    unit: str
    window: str
    model: str
    is_hard: bool


@record(frozen=True, slots=True)
class Outcome:
    """How a request ended and what of it was handed over (metering.md, section 2).

    `generated_tokens` is what the engine produced, delivered or not. Durations are
    microseconds since admission; `first_token_us` is None when there was no token.
    """

    status: EventStatus
    counts: TokenCounts
    generated_tokens: int
    counted_by: CountedBy
    replica_id: int
    first_token_us: int | None
    duration_us: int
    latency: Latency = NO_LATENCY
    handling: Handling = NOT_NOTED


class BudgetShortError(Exception):
    """A budget does not cover what was asked of it.

    `is_spent` when not even the least that was asked for is left of what is neither
    posted nor used already, by whatever process; otherwise others hold what they may
    give back yet.
    """

    def __init__(self, place: BudgetPlace, *, is_spent: bool) -> None:
        super().__init__(f"the {place.kind} of the {place.level} does not cover this")
        self.place = place
        self.is_spent = is_spent


class Hold(Protocol):
    """What one running request may use, taken from every budget that it counts towards.

    Counts without a prompt say that it is not reported yet: its bound stays held.
    Settling or voiding the admission ends it.
    """

    @property
    def is_tight(self) -> bool:
        """Tell whether budgets run out: then what is sent should be held bit by bit."""
        ...

    @property
    def tokens(self) -> tuple[int, int]:
        """Return what is held now: tokens of the prompt, and of output."""
        ...

    def reserves(self, output_tokens: int) -> bool:
        """Tell whether so much output is held, taking it with some more out of leases.

        Not while the prompt is not exact, nor while budgets run out.
        """
        ...

    def includes(self, counts: TokenCounts) -> bool:
        """Tell whether these tokens lie within what is held; it stays as it is."""
        ...

    def covers(self, counts: TokenCounts) -> bool:
        """Tell whether these tokens are held, taking more out of leases in hand."""
        ...

    async def extend(self, counts: TokenCounts) -> bool:
        """Return once these tokens are held; False when the budget ends before.

        Waits while others may give something back, for as long as ten seconds.
        """
        ...

    def handed_over(self, counts: TokenCounts) -> None:
        """Note what the client has: what is left beyond it may go to others.

        With the first usage that an engine reports the prompt is exact, and the rest of
        its bound goes back.
        """
        ...


class DatabaseAwayError(Exception):
    """Neither PostgreSQL nor the journal's disk has it; it is committed later."""


class Trace(Protocol):
    """Where a running request's progress stands, for whoever finds this process dead.

    Before a piece of an answer is sent, what the client will have had with it is
    offered; once its socket has the piece, that is written.
    """

    def offered(
        self, counts: TokenCounts, *, replica_id: int, first_token_us: int | None
    ) -> None:
        """Note what the client will have been given once the next piece is sent."""
        ...

    def written(self) -> None:
        """Note that the client's socket has what was offered."""
        ...


class Meter(Protocol):
    """Admits requests and makes what they used durable.

    Every admission ends in exactly one `settle` or `void`. Both are plain calls, so a
    cancelled request cannot lose its event; only waiting for the commit is
    asynchronous.
    """

    def price(self, caller: Caller, model: str) -> LinearPrice | None:
        """Return the price that a request of this caller would be admitted at now."""
        ...

    def admit(
        self, caller: Caller, *, model: str, surface: Surface, streamed: bool
    ) -> Admission:
        """Admit a request at the database's present instant.

        Raises `ServiceUnavailable` while nothing can be made durable, and
        `ModelNotPriced` when no price is in force: nothing is ever silently free.
        """
        ...

    def try_hold(
        self,
        admission: Admission,
        places: Sequence[BudgetPlace],
        *,
        prompt_tokens: int,
        outputs: Sequence[int],
    ) -> Hold | None:
        """Hold a prompt and some output in every budget of a request, all or nothing.

        `outputs` are amounts of output tokens, the wanted first; the first that fits is
        held. None where leases in hand cover not even the last: `hold` waits for that.
        Called again with other amounts it replaces what is held.
        """
        ...

    async def hold(
        self,
        admission: Admission,
        places: Sequence[BudgetPlace],
        *,
        prompt_tokens: int,
        outputs: Sequence[int],
        patience_s: float,
    ) -> Hold:
        """Hold as `try_hold` does, and wait where more is to be had first.

        Raises `BudgetShortError` when even the last of `outputs` does not fit within
        `patience_s`, or at once when it never will.
        """
        ...

    def void(self, admission: Admission) -> None:
        """Forget an admission whose request no engine accepted: nothing is billed."""
        ...

    def trace(self, admission: Admission) -> Trace:
        """Return where a running request's progress is noted."""
        ...

    def settle(
        self, admission: Admission, outcome: Outcome, *, is_due: bool = False
    ) -> asyncio.Future[None]:
        """Queue the usage event; the future is done once it is durable.

        That is its commit, or while PostgreSQL is away the journal on its disk. It
        fails with `DatabaseAwayError` when that cannot be written either; the event
        stays queued all the same, and so it does when who waits cancels the future.
        `is_due` when a body waits for it: then `begin_body` follows, and `body_taken`
        or `undelivered`; or `undelivered` alone.
        """
        ...

    def begin_body(self, admission: Admission) -> None:
        """Note that the body of a settled answer is on its way."""
        ...

    def body_taken(self, admission: Admission) -> None:
        """Note that the client's socket has begun to take it: nothing is undone now."""
        ...

    def undelivered(
        self, admission: Admission, outcome: Outcome, *, prompt_too: bool
    ) -> asyncio.Future[None]:
        """Queue the correction of a settled answer that was never handed over.

        The output is given back; the prompt too when the fault was ours.
        """
        ...


class ClaimVerdict(enum.StrEnum):
    """What a request with an `Idempotency-Key` is, seen beside those before it."""

    NEW = "new"
    RETRY = "retry"
    RUNNING = "running"
    MISMATCH = "mismatch"


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """What a request was asked with: digests of its scope and key, and of its body."""

    key_digest: bytes
    body_digest: bytes


class IdempotencyClaims(Protocol):
    """Knows for every key which attempt is its last, over all processes."""

    async def claim(self, admission: Admission, keyed: KeyedRequest) -> ClaimVerdict:
        """Make this request its key's last attempt, if it is `NEW` or a `RETRY`.

        Raises `ServiceUnavailable` where nobody can tell now.
        """
        ...

    def forget(self, admission: Admission, keyed: KeyedRequest) -> None:
        """Take a claim back: no engine took the request. A plain call, like `void`."""
        ...
