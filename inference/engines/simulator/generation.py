"""Make the tokens of one answer, each when it is due.

A generation belongs to one request on one connection. Its first token is due
`first_token_ms` after it started, each next one `inter_token_ms` later; due times are
absolute, so a late loop catches up and a long answer does not drift. Without a pause
it makes one token per turn of the loop, so that streams share the core fairly. All
choices of a request advance together, as sequences in a batch do.

Like vLLM it does not wait for a slow reader; the connection bounds what is buffered.
Failure: a client that leaves (`abort`) ends it at once, and no later token is counted.
Owns: the timer, and the request's share of the counters.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from inference.engines.simulator import http1
from inference.engines.simulator.answers import (
    Label,
    StreamedAnswer,
    TokenEvent,
    whole_answer,
)
from inference.engines.simulator.counters import Counters
from inference.engines.simulator.requests import FinishReason, Order
from inference.engines.simulator.settings import Behaviour

Write = Callable[[bytes], None]


@dataclass(slots=True)
class Exchange:
    """A request as it will be served, and what its connection can do.

    `write` takes bytes for the client. One of the others is called once, after the last
    of them, and none after `abort`: `finished` where the answer was complete, `hang_up`
    (FIN) or `reset` (RST) where the connection must end instead.
    """

    order: Order
    label: Label
    behaviour: Behaviour
    write: Write
    finished: Callable[[], None]
    hang_up: Callable[[], None]
    reset: Callable[[], None]


class Generation:
    """One answer under way; subclasses say what becomes of its tokens."""

    __slots__ = (
        "_behaviour",
        "_counters",
        "_due",
        "_exchange",
        "_handle",
        "_live",
        "_loop",
        "_made",
        "_next_end",
        "_order",
        "_pause_s",
        "_write",
    )

    def __init__(self, exchange: Exchange, *, counters: Counters) -> None:
        """Prepare an answer; nothing is counted or written before `start`."""
        order, behaviour = exchange.order, exchange.behaviour
        self._exchange = exchange
        self._order = order
        self._behaviour = behaviour
        self._counters = counters
        self._write = exchange.write
        self._pause_s = behaviour.inter_token_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.Handle | None = None
        self._due = 0.0
        self._made = 0
        self._live = list(range(len(order.choices)))
        self._next_end = min(choice.tokens for choice in order.choices)

    def start(self) -> None:
        """Begin: the first token is made now, or when it is due."""
        counters = self._counters
        counters.requests += 1
        counters.running_requests += 1
        counters.running_sequences += len(self._live)
        first_token_s = self._behaviour.first_token_ms / 1000
        self._begin()
        self._due = self._loop.time() + first_token_s
        if first_token_s:
            self._handle = self._loop.call_at(self._due, self._first)
        else:
            self._first()

    def abort(self) -> None:
        """Stop because the client left: what was made stays counted, and no more."""
        self._cancel()
        self._counters.aborted += 1
        self._leave()

    def interrupt(self) -> None:
        """Stop because the server is going down, and tell the client, as vLLM does."""
        self._cancel()
        if not self._made:
            # The usage that is now reported holds the prompt, so the counters must too.
            self._prefill()
        for index in self._live:
            self._end(index, tokens=self._made, reason="abort")
        self._close()

    def _first(self) -> None:
        self._prefill()
        self._step()

    def _prefill(self) -> None:
        self._open()
        order, counters = self._order, self._counters
        counters.prompt_tokens += order.prompt_tokens
        counters.prefilled_tokens += sum(each.prompt_tokens for each in order.choices)

    def _step(self) -> None:
        """Make the next token of every live choice, and see when to go on."""
        self._made += 1
        self._counters.generation_tokens += len(self._live)
        self._emit(self._made)
        if self._made == self._next_end:
            self._retire()
            if not self._live:
                return self._close()
        if self._pause_s:
            self._due += self._pause_s
            self._handle = self._loop.call_at(self._due, self._step)
        else:
            self._handle = self._loop.call_soon(self._step)
        return None

    def _retire(self) -> None:
        """End the choices that are complete."""
        made, choices, rest = self._made, self._order.choices, []
        for index in self._live:
            if choices[index].tokens > made:
                rest.append(index)
            else:
                self._end(index, tokens=made, reason=choices[index].finish_reason)
        self._counters.running_sequences -= len(self._live) - len(rest)
        self._live = rest
        if rest:
            self._next_end = min(choices[index].tokens for index in rest)

    def _close(self) -> None:
        self._handle = None
        self._complete()
        self._leave()
        self._exchange.finished()

    def _break_off(self, then: Callable[[], None]) -> None:
        """End without an end of the answer, and do `then` instead."""
        self._cancel()
        self._leave()
        then()

    def _leave(self) -> None:
        self._counters.running_requests -= 1
        self._counters.running_sequences -= len(self._live)

    def _cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _begin(self) -> None:
        """Accept the request, before any pause."""

    def _open(self) -> None:
        """Precede the first token."""

    def _emit(self, number: int) -> None:
        """Deliver token `number` of every live choice."""

    def _end(self, index: int, *, tokens: int, reason: FinishReason) -> None:
        """Deliver the end of one choice."""
        raise NotImplementedError

    def _complete(self) -> None:
        """Deliver what follows the last end."""
        raise NotImplementedError


class StreamedGeneration(Generation):
    """Every token an event of its own, written the moment it is made."""

    __slots__ = ("_answer", "_completion_tokens", "_events")

    def _begin(self) -> None:
        # As under uvicorn, the head leaves before the engine has made anything.
        self._write(http1.STREAM_HEAD)
        self._completion_tokens = 0
        self._answer = StreamedAnswer(self._order, self._exchange.label)
        self._events: list[TokenEvent] = [
            self._answer.token_event(index) for index in self._live
        ]

    def _open(self) -> None:
        opening = self._answer.opening()
        if opening:
            self._write(opening)

    def _emit(self, number: int) -> None:
        if number == self._next_end and self._behaviour.finish_with_text:
            choices = self._order.choices
            for index in self._live:
                if choices[index].tokens > number:
                    self._write(self._events[index](number))
            return
        for index in self._live:
            self._write(self._events[index](number))

    def _end(self, index: int, *, tokens: int, reason: FinishReason) -> None:
        with_text = self._behaviour.finish_with_text and reason != "abort"
        self._write(
            self._answer.finish_event(
                index, tokens=tokens, reason=reason, with_text=with_text
            )
        )
        self._counters.finished[reason] += 1
        self._completion_tokens += tokens

    def _complete(self) -> None:
        self._write(self._answer.closing(completion_tokens=self._completion_tokens))


class WholeGeneration(Generation):
    """Tokens gathered into one response at the end."""

    __slots__ = ("_endings",)

    def _begin(self) -> None:
        self._endings: list[tuple[int, FinishReason]] = [(0, "abort")] * len(self._live)

    def _step(self) -> None:
        if self._pause_s:
            return super()._step()
        # Nobody sees the tokens one by one: make them all at once.
        choices = self._order.choices
        self._made = max(choice.tokens for choice in choices)
        self._counters.generation_tokens += sum(choice.tokens for choice in choices)
        for index, choice in enumerate(choices):
            self._end(index, tokens=choice.tokens, reason=choice.finish_reason)
        return self._close()

    def _end(self, index: int, *, tokens: int, reason: FinishReason) -> None:
        self._counters.finished[reason] += 1
        self._endings[index] = (tokens, reason)

    def _complete(self) -> None:
        self._write(
            whole_answer(self._order, self._exchange.label, endings=self._endings)
        )
