"""Calls of which a third are dropped at random, and what each of them may cost.

Every call goes through a reading proxy of its own, the witness of what its client had
when it left and of what lay in the sockets then. The rule that each is held to:

    received <= billed output <= received + what lay in the sockets

and exactly what was received where it was read to the end. What an engine is asked and
how its tokens are told from a transcript comes in as `EngineFacts`, so that the same
calls run against the simulator and against a real engine.

Failure: what breaks the rule is a sentence in `faults_of`. Pure but for `perform_all`.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from kit.contracts import CountedBy, EventStatus
from tests.standins.reading_proxy import (
    Drop,
    Farewell,
    Habits,
    Moment,
    Reading,
    reading_proxy,
)
from tests.standins.transcript import Seen

AT_ONCE = 8
# After this nobody waits for an abort any longer: the call is judged without one, or
# by what the engine says of it later.
ABORT_PATIENCE_S = 2.0
CALL_SECONDS_MAX = 180.0
# So long that the engine is still busy when the client leaves, its turn awaited.
DROPPED_TOKENS = 2_000
# An event without its text, where none was seen that could be measured.
EVENT_BYTES_MIN = 150
NOT_STOPPED = "the engine was not stopped"
REFUSED = "it was refused, and nothing billed"
SLOW = Habits(receive_bytes=1, read_bytes=512, pause_s=0.02)


class EngineFacts(Protocol):
    """What the judges must know of an engine."""

    @property
    def stream_options(self) -> Mapping[str, bool]:
        """Return what every stream must ask for, so that its tokens can be told."""
        ...

    @property
    def endless(self) -> Mapping[str, Any]:
        """Return by which fields an answer does not end before its `max_tokens`."""
        ...

    @property
    def tokens_per_s_max(self) -> float:
        """Return how fast one choice can grow."""
        ...

    @property
    def tokens_per_event_max(self) -> int:
        """Return how many tokens of a choice may come in one event."""
        ...

    @property
    def abort_ms_max(self) -> float:
        """Return how long it may take to notice that a client has left."""
        ...

    def tokens(self, seen: Seen) -> int:
        """Return how many output tokens a transcript delivers."""
        ...

    def prompt_tokens(self, call: "Call") -> int:
        """Return how long a call's prompt is to this engine."""
        ...

    async def aborts(self) -> int:
        """Return how many requests the engine has stopped because their client left."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One call to make, and when its client will leave."""

    number: int
    is_chat: bool
    is_streamed: bool
    choices: int
    usage_asked: bool
    max_tokens: int
    drop: Drop | None = None
    habits: Habits | None = None

    @property
    def prompt(self) -> str:
        """Return a prompt whose length no other call's has."""
        return " ".join(["word"] * (self.number + 1))

    @property
    def is_long(self) -> bool:
        """Tell whether the engine is to be still at work when the client leaves."""
        return self.max_tokens >= DROPPED_TOKENS

    def request(self, model: str, engine: EngineFacts) -> tuple[str, dict[str, Any]]:
        """Return the path and the body."""
        body: dict[str, Any] = {"model": model, "max_tokens": self.max_tokens}
        if self.is_long:
            body |= engine.endless
        if self.choices > 1:
            body["n"] = self.choices
        if self.is_streamed:
            asked = {"include_usage": True} if self.usage_asked else {}
            if options := {**engine.stream_options, **asked}:
                body["stream_options"] = options
            body["stream"] = True
        if not self.is_chat:
            return "/completions", body | {"prompt": self.prompt}
        messages = [{"role": "user", "content": self.prompt}]
        return "/chat/completions", body | {"messages": messages}


@dataclass(slots=True)
class Done:
    """One call as its client saw it; `abort_ms` where the engine was seen to stop."""

    call: Call
    reading: Reading
    abort_ms: float | None = None

    @property
    def is_read_to_the_end(self) -> bool:
        """Tell whether the client has all there was."""
        return self.reading.received.is_complete or self.reading.received.is_done

    @property
    def is_refused(self) -> bool:
        """Tell whether the gateway answered that it could not, as is not charged."""
        return self.reading.received.status >= httpx.codes.INTERNAL_SERVER_ERROR


@dataclass(frozen=True, slots=True)
class Billed:
    """What one request was billed, its corrections included."""

    status: EventStatus
    counted_by: CountedBy
    prompt_tokens: int
    output_tokens: int
    generated_tokens: int


def random_calls(count: int, *, seed: int) -> list[Call]:
    """Return `count` calls of all kinds, every third of them dropped somewhere."""
    dice = random.Random(seed)
    dropped = set(dice.sample(range(count), count // 3))
    return [_random_call(dice, number, number in dropped) for number in range(count)]


def _random_call(dice: random.Random, number: int, is_dropped: bool) -> Call:
    is_streamed = dice.random() < 0.7
    choices = dice.choice((1, 1, 1, 2, 3))
    drop, max_tokens = None, dice.choice((1, 2, 5, 16, 33, 64, 100))
    if is_dropped:
        drop = _random_drop(dice, is_streamed)
        if drop.moment is Moment.AFTER_DONE:
            pass
        elif dice.random() < 0.12 and drop.moment is Moment.AT_PIECE:
            # Everything but the end has come: what follows the last token waits.
            drop = Drop(Moment.AT_PIECE, max_tokens * choices, drop.farewell)
        elif is_streamed or drop.moment is Moment.BEFORE_HEAD:
            max_tokens = DROPPED_TOKENS
    return Call(
        number,
        is_chat=dice.random() < 0.6,
        is_streamed=is_streamed,
        choices=choices,
        usage_asked=dice.random() < 0.5,
        max_tokens=max_tokens,
        drop=drop,
        habits=SLOW if dice.random() < 0.1 else None,
    )


def _random_drop(dice: random.Random, is_streamed: bool) -> Drop:
    farewell = dice.choice(list(Farewell))
    if not is_streamed:
        moment = dice.choice(
            (Moment.BEFORE_HEAD, Moment.BEFORE_HEAD, Moment.AFTER_HEAD, Moment.AT_BYTE)
        )
    else:
        moment = dice.choice((*Moment, Moment.AT_PIECE, Moment.IN_EVENT))
    after = {
        # Whole answers are long in coming, a stream's head is there at once.
        Moment.BEFORE_HEAD: dice.randint(20, 60) if not is_streamed else 20,
        Moment.AT_BYTE: dice.randint(1, 400 if not is_streamed else 9_000),
    }.get(moment, dice.randint(1, 80))
    return Drop(moment, after, farewell)


@dataclass(slots=True)
class _Watch:
    """Lets clients leave one at a time, so that each abort has one cause."""

    engine: EngineFacts
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def over(self, done: Done) -> AsyncIterator[None]:
        """Let a client leave, and measure how long the engine takes to stop."""
        if not done.call.is_long:
            # The engine is through with it: there is nothing to be stopped.
            yield
            return
        async with self.turn:
            before = await self.engine.aborts()
            yield
            left_at = time.monotonic()
            while time.monotonic() < left_at + ABORT_PATIENCE_S:
                if await self.engine.aborts() > before:
                    done.abort_ms = (time.monotonic() - left_at) * 1000
                    return


async def perform_all(
    calls: Sequence[Call],
    *,
    base_url: str,
    api_key: str,
    model: str,
    engine: EngineFacts,
) -> list[Done]:
    """Make the calls, several at once; outcomes in their order."""
    watch, at_once = _Watch(engine), asyncio.Semaphore(AT_ONCE)
    headers = {"authorization": f"Bearer {api_key}"}

    async with httpx.AsyncClient(
        headers=headers, trust_env=False, timeout=CALL_SECONDS_MAX
    ) as client:

        async def perform(call: Call) -> Done:
            async with at_once:
                path, body = call.request(model, engine)
                return await _perform(call, client, base_url, path, body, watch)

        return list(await asyncio.gather(*map(perform, calls)))


async def _perform(
    call: Call,
    client: httpx.AsyncClient,
    base_url: str,
    path: str,
    body: Mapping[str, Any],
    watch: _Watch,
) -> Done:
    address = urlsplit(base_url)
    done = Done(call, Reading(""))
    async with reading_proxy(
        address.hostname or "",
        address.port or 0,
        drop=call.drop,
        habits=call.habits,
        around=lambda: watch.over(done),
    ) as reading:
        done.reading = reading
        try:
            async with client.stream(
                "POST", f"{reading.url}{address.path}{path}", json=body
            ) as answer:
                await answer.aread()
        except httpx.TransportError:
            if call.drop is None:
                raise
        await asyncio.wait_for(reading.ended.wait(), CALL_SECONDS_MAX)
    return done


def in_sockets_max(done: Done, engine: EngineFacts) -> int:
    """Return how many more tokens than received may have been handed over.

    After a goodbye all that lay in the sockets has come, and is counted. Before a reset
    the kernel was asked: what had come is counted too, and the bytes that were on their
    way are taken for the shortest events; between the question and the reset each
    choice may have gone on at the engine's pace.
    """
    reading, call = done.reading, done.call
    if call.drop is None or reading.sockets is None:
        return 0
    arrived = engine.tokens(reading.arrived) - engine.tokens(reading.received)
    if call.drop.farewell is Farewell.FIN:
        return arrived
    if not call.is_streamed:
        begun = reading.received.bytes_read + reading.sockets.bytes_max > 0
        return call.max_tokens * call.choices if begun else 0
    event_bytes = reading.received.piece_bytes_min or EVENT_BYTES_MIN
    meanwhile = 1 + int(reading.sockets.asked_s * engine.tokens_per_s_max)
    on_its_way = reading.sockets.unacknowledged_bytes // event_bytes
    events = on_its_way + call.choices * meanwhile
    return arrived + events * engine.tokens_per_event_max


def faults_of(done: Done, billed: Billed | None, engine: EngineFacts) -> list[str]:
    """Say what is wrong with the bill of one call; nothing where nothing is."""
    call, received = done.call, engine.tokens(done.reading.received)
    if done.is_refused:
        charged = billed.prompt_tokens + billed.output_tokens if billed else 0
        return [f"it was refused, and billed {charged}" if charged else REFUSED]
    if billed is None:
        left_early = call.drop is not None and call.drop.moment is Moment.BEFORE_HEAD
        return [] if left_early and not received else ["there is no event"]
    faults = []
    most = received + (0 if done.is_read_to_the_end else in_sockets_max(done, engine))
    if not received <= billed.output_tokens <= most:
        faults.append(f"output {billed.output_tokens} is not in {received}..{most}")
    if billed.prompt_tokens != engine.prompt_tokens(call):
        faults.append(
            f"prompt {billed.prompt_tokens}, not {engine.prompt_tokens(call)}"
        )
    if billed.counted_by is CountedBy.NONE:
        faults.append("nobody counted it")
    if done.is_read_to_the_end and billed.status is not EventStatus.OK:
        faults.append(f"read to its end, and {billed.status.name}")
    return faults + _faults_of_abort(done, billed, engine)


def _faults_of_abort(done: Done, billed: Billed, engine: EngineFacts) -> list[str]:
    """Say whether the engine went on after its client had left."""
    call = done.call
    asked = call.max_tokens * call.choices
    is_cut = (
        billed.status is EventStatus.CLIENT_GONE and billed.generated_tokens < asked
    )
    if call.drop is None or not is_cut:
        return []
    if done.abort_ms is None:
        return [NOT_STOPPED]
    if done.abort_ms > engine.abort_ms_max:
        return [f"the engine was stopped after {done.abort_ms:.0f} ms"]
    return []
