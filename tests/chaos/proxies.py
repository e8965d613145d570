"""The proxies between the processes, and what each can do to a connection.

`Edge` adds to the plain TCP proxy what a slow or a half-broken network does: delay,
a narrow line, one side lost. `PostgresEdge` also reads what a client says to
PostgreSQL, and can cut a connection between a batch of events and its answer: the
client then cannot know whether it was committed.

Failure: as the plain proxy's. Owns: nothing beyond it.
"""

import asyncio
import contextlib
import enum
import random
import struct
from dataclasses import dataclass, field

from tests.standins.tcp_proxy import CHUNK_BYTES, Direction, Pair, TcpProxy

_LENGTH = struct.Struct("!I")
# Requests before the startup message: for TLS, for GSSAPI, to cancel.
_BEFORE_STARTUP = frozenset({80_877_102, 80_877_103, 80_877_104})
BATCH = b"INSERT INTO usage_event"


@dataclass(slots=True)
class Edge(TcpProxy):
    """A proxy whose line can be slow, narrow, or lost at one end."""

    delay_s: float = 0.0
    bytes_per_s: float = 0.0

    @property
    def listens_at(self) -> int:
        """Return the port that clients connect to."""
        return int(self.url("tcp://x@h:1").rpartition(":")[2])

    def heal(self) -> None:
        """Pass everything on again, as fast as it comes."""
        self.delay_s = self.bytes_per_s = 0.0
        self._left.update(dict.fromkeys(Direction, None))
        self.accept()
        self.thaw()

    def lose_servers(self) -> None:
        """Break every connection's server side; the client is told nothing."""
        for pair in list(self._pairs):
            self._pairs.discard(pair)
            self._orphans.append(pair)
            pair.writers[Direction.TO_SERVER].transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, pair: Pair, direction: Direction
    ) -> None:
        target = pair.writers[direction]
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                await self._take_time(len(data))
                if target.is_closing():
                    break
                if self._pass(data, pair, direction):
                    return
                await target.drain()
        await self._moving.wait()
        self._break(pair)

    async def _take_time(self, size: int) -> None:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.bytes_per_s:
            await asyncio.sleep(size / self.bytes_per_s)
        await self._moving.wait()


class Cut(enum.Enum):
    """How a connection is cut once a batch of events has been passed on."""

    BOTH = "both sides at once"
    UNHEARD = "the client's side at once, the server goes on"
    ANSWERED = "both sides, once the server has answered"


@dataclass(slots=True)
class PostgresEdge(Edge):
    """A proxy before PostgreSQL that knows when a batch of events has been sent."""

    dice: random.Random = field(default_factory=random.Random)
    batches: int = 0
    commit_cuts: dict[Cut, int] = field(default_factory=lambda: dict.fromkeys(Cut, 0))
    _cuts_wanted: int = 0
    _frontends: dict[Pair, "Frontend"] = field(default_factory=dict)
    _cut_at_answer: set[Pair] = field(default_factory=set)

    def cut_commits(self, times: int) -> None:
        """Cut the next so many batches from their answers, in ways that dice tell."""
        self._cuts_wanted = times

    @property
    def cuts_left(self) -> int:
        """Return how many of the wanted cuts have not been made."""
        return self._cuts_wanted

    def _pass(self, data: bytes, pair: Pair, direction: Direction) -> bool:
        if direction is Direction.TO_CLIENT:
            if pair in self._cut_at_answer:
                self._cut(pair, Cut.ANSWERED)
                return True
            return TcpProxy._pass(self, data, pair, direction)
        frontend = self._frontends.setdefault(pair, Frontend())
        batches = frontend.feed(data)
        self.batches += batches
        is_cut = TcpProxy._pass(self, data, pair, direction)
        if is_cut or not (batches and self._cuts_wanted):
            return is_cut
        self._cuts_wanted -= 1
        how = self.dice.choice(list(Cut))
        if how is Cut.ANSWERED:
            self._cut_at_answer.add(pair)
            return False
        self._cut(pair, how)
        return True

    def _cut(self, pair: Pair, how: Cut) -> None:
        self.commit_cuts[how] += 1
        if how is Cut.UNHEARD and pair in self._pairs:
            self._pairs.discard(pair)
            self._orphans.append(pair)
            pair.writers[Direction.TO_CLIENT].transport.abort()
            return
        self._break(pair)

    def _break(self, pair: Pair) -> None:
        self._frontends.pop(pair, None)
        self._cut_at_answer.discard(pair)
        TcpProxy._break(self, pair)


class Frontend:
    """Reads what one client says to PostgreSQL, and finds the batches of events.

    A batch has been said once the `Sync` behind its `Bind` is complete.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._has_started = False
        self._batches: set[bytes] = set()
        self._is_batch_open = False

    def feed(self, data: bytes) -> int:
        """Take in the next bytes; return how many batches they complete."""
        self._rest += data
        completed = 0
        while (message := self._next()) is not None:
            completed += self._take(*message)
        return completed

    def _next(self) -> tuple[bytes, bytes] | None:
        """Return the next whole message: its kind, and what it says."""
        head = 1 if self._has_started else 0
        if len(self._rest) < head + _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._rest, head)
        if len(self._rest) < head + length:
            return None
        message = self._rest[: head + length]
        self._rest = self._rest[head + length :]
        return message[:head], message[head + _LENGTH.size :]

    def _take(self, kind: bytes, said: bytes) -> int:
        if not self._has_started:
            (code,) = _LENGTH.unpack_from(said)
            self._has_started = code not in _BEFORE_STARTUP
        elif kind == b"P":
            name, query, _ = said.split(b"\0", 2)
            (self._batches.add if BATCH in query else self._batches.discard)(name)
        elif kind == b"B":
            _, name, _ = said.split(b"\0", 2)
            self._is_batch_open |= name in self._batches
        elif kind == b"S" and self._is_batch_open:
            self._is_batch_open = False
            return 1
        return 0
