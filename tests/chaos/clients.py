"""Clients, each behind a reading proxy of its own: what they ask, and what they had.

The proxy has small buffers and is the witness: of its bytes the oracle counts what was
delivered. A client asks whichever gateway is in turn, and asks again, another if it
can, where it was refused or cut off: every attempt is a record of its own.

Failure: a gateway that cannot be reached makes a record too, without a status, and so
does what is no answer. A token that is missing or doubled raises.
"""

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httptools
import orjson

from config.local.children import LOOPBACK
from inference.engines.simulator.tokens import (
    chat_tokens,
    delivered_tokens,
    text_tokens,
)
from tests.chaos.cluster import Cluster, Gateway
from tests.chaos.world import MODEL, Customer
from tests.standins.reading_proxy import (
    Around,
    Drop,
    Farewell,
    Habits,
    Moment,
    Reading,
    reading_proxy,
)

# Prompts differ in length, so that a bill whose client never learnt its id is known.
PROMPTS = 400
RECEIVE_BYTES = 4096
CALL_SECONDS_MAX = 400.0
PAUSE_S = 0.1
SMALL = Habits(receive_bytes=RECEIVE_BYTES)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to make, and how its client behaves."""

    number: int
    is_chat: bool = True
    is_streamed: bool = True
    choices: int = 1
    max_tokens: int = 40
    asks_usage: bool = False
    drop: Drop | None = None
    habits: Habits = SMALL

    @property
    def prompt(self) -> str:
        """Return a prompt whose length few other asks have."""
        return " ".join(["word"] * (self.number % PROMPTS + 1))

    @property
    def prompt_tokens(self) -> int:
        """Return how many tokens the prompt has, by the simulator's rule."""
        if self.is_chat:
            return len(chat_tokens([{"role": "user", "content": self.prompt}]))
        return len(text_tokens(self.prompt))

    def http(self, key: str) -> bytes:
        """Return the request as it goes over the wire."""
        fields: dict[str, object] = {"model": MODEL, "max_tokens": self.max_tokens}
        if self.choices > 1:
            fields["n"] = self.choices
        if self.is_streamed:
            fields["stream"] = True
            if self.asks_usage:
                fields["stream_options"] = {"include_usage": True}
        if self.is_chat:
            fields["messages"] = [{"role": "user", "content": self.prompt}]
        else:
            fields["prompt"] = self.prompt
        path = "chat/completions" if self.is_chat else "completions"
        body = orjson.dumps(fields)
        head = (
            f"POST /v1/{path} HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer {key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(slots=True)
class Record:
    """One attempt: what was asked of whom, and all that came; times are monotonic."""

    ask: Ask
    customer: Customer
    gateway: str
    reading: Reading
    asked_at: float
    first_byte_at: float | None = None
    ended_at: float = 0.0
    # What it read that was no answer, where it did.
    nonsense: str = ""

    @property
    def status(self) -> int:
        """Return the status, 0 where no head came."""
        return self.reading.transcript.seen.status

    @property
    def tokens(self) -> int:
        """Return how many tokens have arrived, those unread at a drop included."""
        texts = self.reading.arrived.texts.values()
        return sum(map(delivered_tokens, texts))

    @property
    def tokens_at_drop(self) -> int:
        """Return how many tokens had been read when the client left, or all."""
        texts = self.reading.received.texts.values()
        return sum(map(delivered_tokens, texts))

    @property
    def is_whole(self) -> bool:
        """Tell whether the client has the answer to its end, and no error."""
        seen = self.reading.received
        ended = seen.is_done if self.ask.is_streamed else seen.is_complete
        return seen.status == 200 and ended and seen.error is None

    @property
    def waited_s(self) -> float:
        """Return how long the first byte took, or the end where none came."""
        return (self.first_byte_at or self.ended_at) - self.asked_at


async def call(
    gateway: Gateway,
    customer: Customer,
    ask: Ask,
    *,
    records: list[Record],
    around: Around | None = None,
) -> Record:
    """Ask once; the record is appended before the first byte goes out."""
    record = Record(ask, customer, gateway.name, Reading(""), time.monotonic())
    records.append(record)
    # The gateway's death may reset what the proxy reads: what had come is known.
    try:
        async with (
            asyncio.timeout(CALL_SECONDS_MAX),
            reading_proxy(
                LOOPBACK,
                gateway.port,
                drop=ask.drop,
                habits=ask.habits,
                around=around,
            ) as reading,
        ):
            record.reading = reading
            await _through(reading, ask.http(customer.key), record)
    except OSError:
        pass
    except httptools.HttpParserError as error:
        seen, rest = record.reading.transcript.seen, record.reading.transcript.rest
        record.nonsense = f"{error}: {seen.status} {seen.headers} {rest[:300]!r}"
    record.ended_at = time.monotonic()
    return record


async def _through(reading: Reading, request: bytes, record: Record) -> None:
    """Send the request to the proxy and read until it is through with the answer."""
    port = int(reading.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        writer.write(request)
        with contextlib.suppress(OSError):
            while await reader.read(65536):
                record.first_byte_at = record.first_byte_at or time.monotonic()
        await reading.ended.wait()
    finally:
        writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Mix:
    """Of which kinds the asks are, as shares of all."""

    streamed: float = 0.8
    chats: float = 0.7
    several: float = 0.0
    dropped: float = 0.0
    tokens: tuple[int, int] = (10, 60)


STEADY = Mix()
ALL_KINDS = Mix(streamed=0.75, several=0.15, dropped=0.15)


def random_ask(dice: random.Random, number: int, mix: Mix) -> Ask:
    """Return an ask of the mix."""
    is_streamed = dice.random() < mix.streamed
    drop = None
    if dice.random() < mix.dropped:
        drop = Drop(Moment.AT_BYTE, dice.randint(1, 4096), dice.choice(list(Farewell)))
    return Ask(
        number,
        is_chat=dice.random() < mix.chats,
        is_streamed=is_streamed,
        choices=dice.choice((2, 3)) if dice.random() < mix.several else 1,
        max_tokens=dice.randint(*mix.tokens),
        asks_usage=dice.random() < 0.5,
        drop=drop,
    )


@dataclass(slots=True)
class Load:
    """So many clients that ask one thing after the other, until the block ends.

    On leaving, what has begun is read to its end and nothing new is asked.
    """

    cluster: Cluster
    clients: int
    mix: Mix = STEADY
    numbers: Iterator[int] = field(default_factory=itertools.count)
    records: list[Record] = field(default_factory=list)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _is_over: bool = False

    async def __aenter__(self) -> "Load":
        dice = self.cluster.dice
        for _ in range(self.clients):
            own = random.Random(dice.random())
            self._tasks.append(asyncio.create_task(self._one(own)))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_over = True
        await asyncio.gather(*self._tasks)

    def raise_if_broken(self) -> None:
        """Raise what a client has raised, while there is still something to see."""
        for task in self._tasks:
            if task.done() and (error := task.exception()):
                raise error

    def running(self, gateway: Gateway) -> int:
        """Return how many streams of a gateway have begun and not ended."""
        return sum(
            record.gateway == gateway.name
            and not record.ended_at
            and record.first_byte_at is not None
            for record in self.records
        )

    async def _one(self, dice: random.Random) -> None:
        while not self._is_over:
            ready = self.cluster.ready()
            if not ready:
                await asyncio.sleep(PAUSE_S)
                continue
            ask = random_ask(dice, next(self.numbers), self.mix)
            customer = dice.choice(self.cluster.customers)
            record = await call(dice.choice(ready), customer, ask, records=self.records)
            if record.status != 200:
                await asyncio.sleep(PAUSE_S)
