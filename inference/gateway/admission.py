"""Let a request in: limits in force, rate limits, then the meter, then a hold.

The order is from the cheapest to give back to the dearest. Rate limits and concurrency
are taken in one step; when the meter or a budget refuses, they are given back and the
admission is voided: a refused request uses up nothing. Callers without limits pay for
one lookup. An `Idempotency-Key` is claimed between meter and hold: the claim names the
admission, in one step that no crash can fall into, and rate limits stand before it, so
that a storm of retries does not reach the database.

Failure: the refusals of each step, as `PlatformError`; whatever interrupts the request
while it waits. Owns: nothing; what is admitted is ended by its settlement.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from inference.gateway.holding import SLICE_TOKENS, Ask, Gate, Holds
from inference.gateway.http import HttpRequest
from inference.gateway.idempotency import Idempotency
from inference.gateway.interruption import Interruption
from inference.gateway.live import LiveRequests
from inference.gateway.rates import Rates, Taken
from inference.openai.prompt_bound import bound
from inference.openai.requests import GenerationRequest
from inference.openai.usage import TOKENS_MAX
from inference.routing.limits import CallLimits
from inference.routing.snapshot import ModelEntry
from kit.contracts import (
    Admission,
    BudgetPlace,
    Caller,
    KeyedRequest,
    Meter,
    TokenCounts,
)
from kit.handling import Keyed
from kit.records import record

# How much longer than its model's context a prompt may be said to be: an engine may
# have been started with more than is written here.
CONTEXTS_MAX = 2


class Limits(Protocol):
    """Knows which limits hold for a call."""

    def of(self, caller: Caller, model: str, now_us: int) -> CallLimits:
        """Return what holds for a caller's call of a model at an instant."""
        ...


@record(frozen=True, slots=True)
class Call:
    """One checked request: who asks for what, and how much each choice may say.

    `output_tokens_max` is what the engine is told; None leaves it to the engine.
    `keyed` is None without an `Idempotency-Key`. `priced_as` is empty where the price
    is the model's own, and `known` None where it is to be seen what the answer uses.
    """

    caller: Caller
    request: GenerationRequest
    model: ModelEntry
    output_tokens_max: int | None
    keyed: KeyedRequest | None = None
    priced_as: str = ""
    known: TokenCounts | None = None

    @property
    def output_tokens(self) -> int:
        """Return how many tokens all choices together can be."""
        if self.known is not None:
            return self.known.output_tokens
        model = self.model
        most = self.output_tokens_max or model.max_output_tokens or model.context_tokens
        return self.request.choices * min(most, model.context_tokens)

    @property
    def prompt_tokens_max(self) -> int:
        """Return a length that no engine is believed for all prompts together.

        What only reads may read more than one context, piece by piece.
        """
        if not self.request.task.generates:
            return TOKENS_MAX
        longest = CONTEXTS_MAX * self.model.context_tokens * self.request.prompts
        return min(longest, TOKENS_MAX)


@record(frozen=True, slots=True)
class Admitted:
    """A request that may run, and what it runs under.

    `taken` is None without rate limits, `gate` without budgets.
    """

    admission: Admission
    interruption: Interruption
    taken: Taken | None
    gate: Gate | None
    keyed: Keyed = Keyed.NONE


@dataclass(frozen=True, slots=True)
class Admissions:
    """Admits requests."""

    limits: Limits
    rates: Rates
    holds: Holds
    meter: Meter
    live: LiveRequests
    idempotency: Idempotency
    now_us: Callable[[], int]

    async def admit(self, http: HttpRequest, call: Call) -> Admitted:
        """Return the request as it may run; raises `PlatformError` when it may not.

        Raises `BudgetShortError` where it is known what the answer uses, and a budget
        does not cover that. `end` is owed for what is returned.
        """
        limits = self.limits.of(call.caller, call.model.name, self.now_us())
        if call.priced_as:
            # Budgets are counted by what was charged, and that has the other name.
            charged = self.limits.of(call.caller, call.priced_as, self.now_us())
            limits = replace(limits, budgets=charged.budgets)
        prompt_tokens = 0
        if call.known is not None:
            prompt_tokens = call.known.input_tokens + call.known.cached_input_tokens
        elif limits.rates or limits.budgets:
            prompt_tokens = bound(
                call.request,
                call.model.prompt_bound,
                context_tokens=call.model.context_tokens,
            )
        taken: Taken | None = None
        if limits.rates:
            taken = await self.rates.take(
                limits.rates,
                input_tokens=prompt_tokens,
                output_tokens=min(SLICE_TOKENS, call.output_tokens),
            )
            http.add_headers(taken.headers)
        try:
            admission = self.meter.admit(
                call.caller,
                model=call.priced_as or call.model.name,
                surface=call.request.surface,
                streamed=call.request.stream,
            )
        except BaseException:
            if taken is not None:
                taken.give_back()
            raise
        http.request_id = str(admission.request_id)
        interruption = Interruption()
        self._listen(http, call.caller, interruption)
        gate: Gate | None = None
        keyed = Keyed.NONE
        try:
            if call.keyed is not None:
                keyed = await self.idempotency.claim(admission, call.keyed)
            if limits.budgets:
                ask = _ask(call, admission, limits.budgets, prompt_tokens)
                gate = self.holds.try_open(ask, interruption)
                if gate is None:
                    gate = await self._gate(call, ask, interruption)
        except BaseException:
            self.meter.void(admission)
            if taken is not None:
                taken.give_back()
            self._end_listening(http, interruption)
            raise
        return Admitted(admission, interruption, taken, gate, keyed)

    async def _gate(self, call: Call, ask: Ask, interruption: Interruption) -> Gate:
        """Return what the request holds of its budgets, once it does."""
        try:
            return await self.holds.open(ask, interruption)
        except BaseException:
            self.unclaim(call, ask.admission)
            raise

    def unclaim(self, call: Call, admission: Admission) -> None:
        """Let the next request with the same key be as if this one had not been."""
        if call.keyed is not None:
            self.idempotency.claims.forget(admission, call.keyed)

    def end(self, http: HttpRequest, admitted: Admitted) -> None:
        """Stop listening for what may interrupt a request, and free its slots."""
        self._end_listening(http, admitted.interruption)
        if admitted.taken is not None:
            admitted.taken.release()

    def _listen(
        self, http: HttpRequest, caller: Caller, interruption: Interruption
    ) -> None:
        self.live.add(interruption, caller)
        http.downstream.on_lost(interruption.client_left)

    def _end_listening(self, http: HttpRequest, interruption: Interruption) -> None:
        http.downstream.on_lost(None)
        self.live.discard(interruption)


def _ask(
    call: Call,
    admission: Admission,
    budgets: Sequence[BudgetPlace],
    prompt_tokens: int,
) -> Ask:
    return Ask(
        admission,
        budgets,
        call.request,
        call.model,
        prompt_tokens,
        call.output_tokens,
        is_exact=call.known is not None,
    )
