"""Hold what a request may use in its budgets, and let nothing leave that is not held.

A stream holds the bound of its prompt and a slice of output, and takes more as it
flows. An answer that is given at once holds all the output that was allowed; where only
that does not fit, it holds a slice too, and is streamed from the engine.

Refused as spent is only what is: the bound may be far above the prompt, so that the
prompt is counted before, unless not even the least prompt would fit. Where nobody can
count it, the client is told to come again: that is true, for another request's rest may
come back, and a prompt is never refused for good on a guess.

Failure: `RateLimited` and `InsufficientQuota`; an answer that is under way ends with
`BudgetEndedError`. Owns: nothing; settling or voiding the admission ends the hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from inference.gateway.budget_refusals import come_again, ended, refusal
from inference.gateway.counting import Counting
from inference.gateway.interruption import Interruption
from inference.gateway.metrics import GatewayMetrics, Refusal
from inference.openai.requests import GenerationRequest
from inference.openai.transcript import Transcript
from inference.openai.usage import Tally
from inference.routing.snapshot import ModelEntry
from kit.contracts import (
    Admission,
    BudgetPlace,
    BudgetShortError,
    Hold,
    Meter,
    TokenCounts,
)
from kit.errors import PlatformError
from kit.records import record

# How much output a stream holds beyond what its client has.
SLICE_TOKENS = 64
# How long a request waits for what others may give back.
PATIENCE_S = 1.0
# How long it is asked for what it can do without: the database answers in less.
BRIEFLY_S = 0.25


class BudgetEndedError(Exception):
    """A budget does not cover what comes next of an answer; `reply` says so."""

    def __init__(self, reply: PlatformError) -> None:
        super().__init__(reply.message)
        self.reply = reply


@record(frozen=True, slots=True)
class Ask:
    """What is to be held for one admitted request, and where."""

    admission: Admission
    places: Sequence[BudgetPlace]
    request: GenerationRequest
    model: ModelEntry
    prompt_tokens: int
    # Of all its choices, at the most.
    output_tokens: int
    # Whether that is what the answer uses, which comes as it is or not at all.
    is_exact: bool = False

    @property
    def outputs(self) -> tuple[int, ...]:
        """Return how much output is wanted first: all, or of a stream a slice."""
        if self.is_exact or not self.request.stream:
            return (self.output_tokens,)
        return slices(self.output_tokens)


class Gate:
    """Says of each piece of an answer whether it is held, and gets more held."""

    __slots__ = (
        "_ask",
        "_has_begun",
        "_hold",
        "_interruption",
        "_is_exceeded",
        "_meter",
        "_metrics",
        "_prompt_tokens",
        "held_at_first",
        "is_whole",
    )

    def __init__(
        self,
        hold: Hold,
        ask: Ask,
        *,
        is_whole: bool,
        meter: Meter,
        metrics: GatewayMetrics,
        interruption: Interruption,
    ) -> None:
        # Whether all the output is held that the request allows.
        self.is_whole = is_whole
        # What the request was let in with: tokens of its prompt, and of output.
        self.held_at_first = hold.tokens
        self._hold = hold
        self._ask = ask
        self._prompt_tokens = ask.prompt_tokens
        self._meter = meter
        self._metrics = metrics
        self._interruption = interruption
        self._has_begun = False
        self._is_exceeded = False

    @property
    def is_tight(self) -> bool:
        """Tell whether what is sent should be held bit by bit."""
        return self._hold.is_tight

    def counts(self, tally: Tally, transcript: Transcript) -> TokenCounts:
        """Return at least what would be billed if the client had all of it now.

        Text that no usage covers counts by its bytes, for a token is at least one. A
        prompt that is not all reported yet counts as none: its bound stays held.
        """
        output = tally.output_tokens
        if transcript:
            output += transcript.uncovered_bytes
        counts = tally.counts(output_tokens=output)
        prompt = counts.input_tokens + counts.cached_input_tokens
        if prompt > self._prompt_tokens:
            self._note_exceeded(prompt)
        return counts if tally.has_prompt else TokenCounts(output_tokens=output)

    def includes(self, counts: TokenCounts) -> bool:
        """Tell whether this is held already; for what is settled at once."""
        return self._hold.includes(counts)

    def covers(self, counts: TokenCounts) -> bool:
        """Tell whether this may leave without a wait."""
        return self._hold.covers(counts)

    def reserves(self, output_tokens: int) -> bool:
        """Tell whether so much output is held, and more where there is plenty."""
        return self._hold.reserves(output_tokens)

    async def extend(self, counts: TokenCounts) -> None:
        """Return once this may leave; raises `BudgetEndedError` when it never will.

        Whatever interrupts the request interrupts the wait.
        """
        self._metrics.extensions += 1
        self._metrics.extensions_waiting += 1
        try:
            if await self._interruption.wait_for(self._hold.extend(counts)):
                return
            self._metrics.budget_ends += 1
            if self._has_begun:
                raise BudgetEndedError(ended())
            raise BudgetEndedError(
                await self._interruption.wait_for(self._refusal(counts))
            )
        finally:
            self._metrics.extensions_waiting -= 1

    async def require(self, counts: TokenCounts) -> None:
        """Return once this may leave."""
        if not self._hold.covers(counts):
            await self.extend(counts)

    def handed_over(self, counts: TokenCounts) -> None:
        """Note what has left."""
        self._has_begun = self._has_begun or counts.output_tokens > 0
        self._hold.handed_over(counts)

    async def _refusal(self, counts: TokenCounts) -> PlatformError:
        """Tell whether a request of which nothing has left should come again."""
        prompt = counts.input_tokens + counts.cached_input_tokens
        ask = self._ask
        try:
            await self._meter.hold(
                ask.admission,
                ask.places,
                prompt_tokens=prompt,
                outputs=(1,),
                patience_s=BRIEFLY_S,
            )
        except BudgetShortError as short:
            return refusal(short)
        return come_again("What is left of a budget does not cover this answer.")

    def _note_exceeded(self, prompt: int) -> None:
        if self._is_exceeded:
            return
        self._is_exceeded = True
        self._metrics.bounds.check(
            model=self._ask.model.name, bound=self._prompt_tokens, reported=prompt
        )


@dataclass(frozen=True, slots=True)
class Holds:
    """Gets requests held before they are sent."""

    meter: Meter
    counting: Counting
    metrics: GatewayMetrics

    def try_open(self, ask: Ask, interruption: Interruption) -> Gate | None:
        """Hold what is wanted first where leases in hand cover it, nearly always.

        None where they do not, or something has interrupted: `open` tells.
        """
        if interruption.is_set:
            return None
        outputs = ask.outputs
        hold = self.meter.try_hold(
            ask.admission,
            ask.places,
            prompt_tokens=ask.prompt_tokens,
            outputs=outputs,
        )
        if hold is None:
            return None
        return self._gate(hold, ask, interruption, is_whole=len(outputs) == 1)

    async def open(self, ask: Ask, interruption: Interruption) -> Gate:
        """Hold the prompt and some output; raises `RateLimited`, `InsufficientQuota`.

        What is exact is held at once, else raises `BudgetShortError`.

        The client leaving, and whatever else interrupts, ends the wait.
        """
        self.metrics.holds_waiting += 1
        try:
            return await interruption.wait_for(self._open(ask, interruption))
        finally:
            self.metrics.holds_waiting -= 1

    async def _open(self, ask: Ask, interruption: Interruption) -> Gate:
        if ask.is_exact:
            hold = await self._hold(ask, (ask.output_tokens,), patience_s=BRIEFLY_S)
            return self._gate(hold, ask, interruption, is_whole=True)
        try:
            return await self._held(ask, interruption)
        except BudgetShortError as short:
            if not short.is_spent:
                raise self._refused(short) from None
            of_bound = short
        if of_least := await self._short_of_the_least(ask):
            raise self._refused(of_least)
        exact = await self.counting.prompt(
            ask.request, ask.model.tokenizer, is_waited_for=True
        )
        if exact is None:
            raise self._refused(BudgetShortError(of_bound.place, is_spent=False))
        try:
            return await self._held(replace(ask, prompt_tokens=exact), interruption)
        except BudgetShortError as short:
            raise self._refused(short) from None

    async def _held(self, ask: Ask, interruption: Interruption) -> Gate:
        """Hold the whole answer where that is one, else its first slice."""
        patience_s = PATIENCE_S
        if not ask.request.stream and ask.output_tokens > 1:
            try:
                hold = await self._hold(ask, (ask.output_tokens,), patience_s=BRIEFLY_S)
            except BudgetShortError:
                # With less it is streamed from the engine, and put together here.
                pass
            else:
                return self._gate(hold, ask, interruption, is_whole=True)
            patience_s -= BRIEFLY_S
        outputs = slices(ask.output_tokens)
        hold = await self._hold(ask, outputs, patience_s=patience_s)
        return self._gate(hold, ask, interruption, is_whole=ask.output_tokens <= 1)

    async def _short_of_the_least(self, ask: Ask) -> BudgetShortError | None:
        """Return why no request at all fits, however short its prompt is."""
        least = replace(ask, prompt_tokens=ask.request.prompts)
        try:
            await self._hold(least, (min(1, ask.output_tokens),), patience_s=BRIEFLY_S)
        except BudgetShortError as short:
            return short if short.is_spent else None
        return None

    async def _hold(
        self, ask: Ask, outputs: Sequence[int], *, patience_s: float
    ) -> Hold:
        return await self.meter.hold(
            ask.admission,
            ask.places,
            prompt_tokens=ask.prompt_tokens,
            outputs=outputs,
            patience_s=patience_s,
        )

    def _refused(self, short: BudgetShortError) -> PlatformError:
        reason = Refusal.INSUFFICIENT_QUOTA if short.is_spent else Refusal.BUDGET_HELD
        self.metrics.refused[reason] += 1
        return refusal(short)

    def _gate(
        self, hold: Hold, ask: Ask, interruption: Interruption, *, is_whole: bool
    ) -> Gate:
        return Gate(
            hold,
            ask,
            is_whole=is_whole,
            meter=self.meter,
            metrics=self.metrics,
            interruption=interruption,
        )


def slices(output_tokens: int) -> tuple[int, ...]:
    """Return how much output to hold at first: a slice, else ever less of it."""
    amounts = [min(SLICE_TOKENS, output_tokens)]
    while amounts[-1] > 1:
        amounts.append(amounts[-1] // 2)
    return tuple(amounts)
