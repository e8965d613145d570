"""Make the tokens of one answer, each when it is due.

A generation belongs to one request on one connection. Its first token is due so long
after it was let in: `first_token_ms`, and the time its prompt takes to compute; each
next one `inter_token_ms` later. Due times are absolute, so a late loop catches up and a
long answer does not drift. Without a pause it makes one token per turn of the loop, so
that streams share the core fairly. The choices of a request advance together, as
sequences in a batch do; one that had to wait for a place joins them at a later step.

Like vLLM it does not wait for a slow reader; the connection bounds what is buffered.
Failure: a client that leaves (`abort`) ends it at once, and no later token is counted.
Owns: the timers, and the request's share of the counters and of the places.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from inference.engines.simulator.answers import Label
from inference.engines.simulator.engine import Engine
from inference.engines.simulator.prefix_cache import NO_PREFILL, Prefill
from inference.engines.simulator.requests import FinishReason, Order
from inference.engines.simulator.settings import Behaviour

Write = Callable[[bytes], None]


class Line(Protocol):
    """What an answer may do with its connection.

    Of the last three one is called, once, after the last write, and none after `abort`.
    """

    def write(self, data: bytes) -> None:
        """Send `data` to the client."""

    def finished(self) -> None:
        """Go on with the next request: the answer was complete."""

    def cut(self) -> None:
        """Send what was written, then FIN: the answer ends here."""

    def reset(self) -> None:
        """Send what was written, then RST."""


class Generation:
    """One answer under way; subclasses say what becomes of its tokens."""

    __slots__ = (
        "_behaviour",
        "_counters",
        "_due",
        "_ended",
        "_engine",
        "_handle",
        "_joined",
        "_joining",
        "_label",
        "_late",
        "_let_in",
        "_line",
        "_live",
        "_loop",
        "_made",
        "_next_end",
        "_opened",
        "_order",
        "_pause_s",
        "_prefills",
        "_write",
    )

    def __init__(
        self,
        order: Order,
        label: Label,
        *,
        behaviour: Behaviour,
        engine: Engine,
        line: Line,
    ) -> None:
        """Prepare an answer; nothing is counted or written before `start`."""
        self._order = order
        self._label = label
        self._behaviour = behaviour
        self._engine = engine
        self._counters = engine.counters
        self._line = line
        self._write: Write = line.write
        self._pause_s = behaviour.inter_token_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.Handle | None = None
        self._joining: list[asyncio.Handle] = []
        self._due = 0.0
        self._opened = False
        # Steps so far, and for a choice that joined later, how many it missed.
        self._made = 0
        self._late: dict[int, int] = {}
        self._live: list[int] = []
        self._next_end = 0
        # Choices are let in in their order; those let in and not ended hold a place.
        self._let_in = 0
        self._ended = 0
        self._joined: list[int] = []
        self._prefills: list[Prefill] = []

    def start(self) -> None:
        """Begin: the first token is made now, or when it is due."""
        self._counters.requests += 1
        self._begin()
        count = self._engine.queue.enter(self, len(self._order.choices))
        if count:
            self._compute(self._let(count))

    def admit(self, count: int) -> None:
        """Let in `count` choices that had to wait, at the loop's next turn."""
        self._joining.append(self._loop.call_soon(self._compute, self._let(count)))

    def abort(self) -> None:
        """Stop because the client left: what was made stays counted, and no more."""
        self._cancel()
        self._counters.aborted += 1
        self._leave()

    def interrupt(self) -> None:
        """Stop because the server is going down, and tell the client, as vLLM does."""
        self._cancel()
        rest = sorted(set(range(len(self._order.choices))).difference(self._joined))
        # The usage that is now reported holds the prompt, so the counters must too.
        self._prefill(rest)
        for index in sorted([*self._live, *rest]):
            made = 0 if index in rest else self._made_of(index)
            self._end(index, tokens=made, reason="abort")
        self._close()

    def _let(self, count: int) -> range:
        """Return the next `count` choices, which are now in."""
        if not self._let_in:
            self._counters.running_requests += 1
        indices = range(self._let_in, self._let_in + count)
        self._let_in += count
        return indices

    def _compute(self, indices: Sequence[int]) -> None:
        """Compute the prompts of these choices, which takes its time."""
        now, behaviour = self._loop.time(), self._behaviour
        delay_s = behaviour.first_token_ms / 1000
        if behaviour.prefix_cache_blocks or behaviour.prefill_us_per_token:
            delays = self._prefill_delays(indices)
        else:
            delays = {0.0: indices}
        at_once = None
        for prefill_s, choices in delays.items():
            due = now + delay_s + prefill_s
            if due > now:
                join = self._loop.call_at(due, self._join, choices, due)
                self._joining.append(join)
            else:
                at_once = choices
        # Last, because it may end the answer.
        if at_once is not None:
            self._join(at_once, now)

    def _prefill_delays(self, indices: Sequence[int]) -> dict[float, Sequence[int]]:
        """Look the prompts up; return the choices by the seconds that this takes."""
        order, delays = self._order, dict[float, Sequence[int]]()
        for index in indices:
            prompt = order.prompts[index // order.choices_per_prompt]
            prefill = self._engine.prefill(prompt, salt=order.cache_salt)
            self._prefills.append(prefill)
            uncached = len(prompt) - prefill.cached_tokens
            delay_s = uncached * self._behaviour.prefill_us_per_token / 1_000_000
            delays[delay_s] = [*delays.get(delay_s, ()), index]
        return delays

    def _join(self, indices: Sequence[int], due: float) -> None:
        """Make the first token of these choices: now, or with the others' next one."""
        self._prefill(indices)
        if self._made:
            for index in indices:
                self._late[index] = self._made
                self._delay(index, by=self._made)
        self._live += indices
        self._next_end = min(map(self._end_of, self._live))
        if self._handle is None:
            self._due = due
            self._step()

    def _prefill(self, indices: Sequence[int]) -> None:
        """Count the prompts of these choices, which are now computed."""
        order, counters = self._order, self._counters
        if not self._opened:
            self._open()
            self._opened = True
            counters.prompt_tokens += order.prompt_tokens
        for index in indices:
            counters.prefilled_tokens += order.choices[index].prompt_tokens
            if index < len(self._prefills):
                counters.cached_tokens += self._prefills[index].cached_tokens
        self._joined += indices

    def _step(self) -> None:
        """Make the next token of every live choice, and see when to go on."""
        self._made += 1
        self._counters.generation_tokens += len(self._live)
        self._emit(self._made)
        if self._made == self._next_end:
            self._retire()
            if not self._live:
                return self._rest()
        if self._pause_s:
            self._due += self._pause_s
            self._handle = self._loop.call_at(self._due, self._step)
        else:
            self._handle = self._loop.call_soon(self._step)
        return None

    def _retire(self) -> None:
        """End the choices that are complete."""
        made, choices = self._made, self._order.choices
        rest: list[int] = []
        for index in self._live:
            if self._end_of(index) > made:
                rest.append(index)
            else:
                choice = choices[index]
                self._end(index, tokens=choice.tokens, reason=choice.finish_reason)
        ended = len(self._live) - len(rest)
        self._live = rest
        self._release(ended)
        if rest:
            self._next_end = min(map(self._end_of, rest))

    def _release(self, ended: int) -> None:
        """Give back the places of choices that have ended."""
        self._ended += ended
        self._engine.queue.release(ended)

    def _rest(self) -> None:
        """Close, or wait for the choices that are still to join."""
        self._handle = None
        if self._ended == len(self._order.choices):
            self._close()

    def _close(self) -> None:
        self._handle = None
        self._counters.add_answered(
            len(self._order.prompts), each=self._order.choices_per_prompt
        )
        self._complete()
        self._leave()
        self._line.finished()

    def _break_off(self, then: Callable[[], None]) -> None:
        """End without an end of the answer, and do `then` instead."""
        self._cancel()
        self._leave()
        then()

    def _leave(self) -> None:
        if self._let_in:
            self._counters.running_requests -= 1
        self._engine.queue.leave(self, self._let_in - self._ended)

    def _cancel(self) -> None:
        for handle in self._joining:
            handle.cancel()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _end_of(self, index: int) -> int:
        """Return the step that makes the last token of choice `index`."""
        return self._order.choices[index].tokens + self._late.get(index, 0)

    def _made_of(self, index: int) -> int:
        """Return how many tokens a live choice has."""
        return self._made - self._late.get(index, 0)

    def _reported_prefill(self) -> Prefill:
        """Return what usage tells of the cache: what the first choice found."""
        return self._prefills[0] if self._prefills else NO_PREFILL

    def _begin(self) -> None:
        """Accept the request, before any pause."""

    def _open(self) -> None:
        """Precede the first token."""

    def _delay(self, index: int, *, by: int) -> None:
        """Call the next step's token of choice `index` its first."""

    def _emit(self, number: int) -> None:
        """Deliver the tokens of step `number`, one of every live choice."""

    def _end(self, index: int, *, tokens: int, reason: FinishReason) -> None:
        """Deliver the end of one choice."""
        raise NotImplementedError

    def _complete(self) -> None:
        """Deliver what follows the last end."""
        raise NotImplementedError
