"""One connection to a store: commands of one turn of the event loop leave in one write.

Replies come in the order of the commands. A command has a deadline, after which nobody
waits for its reply; that reply still comes, and whoever sent the command hears of it.
Time is told in ticks of a timer, not by a clock: when this process was held up for
longer than the deadline, the replies that have come meanwhile are read first.

Failure: `StoreAwayError` for whoever waits. A store that is silent for `HUNG_S` or that
speaks no RESP loses the connection. Owns: the socket and what is under way on it.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from inference.limiting.resp import Reply, ReplyReader, RespError

# A deadline is so many ticks long, and less the rest of the tick in which it began.
TICKS = 5
HUNG_S = 1.0
UNDER_WAY_MAX = 4_096

Waiting = asyncio.Future[Reply]
Otherwise = Callable[[Reply], None]


class StoreAwayError(Exception):
    """The store did not answer, or not with an answer."""


def nobody_waits(reply: Reply) -> None:
    """Pass over a reply."""


class _Call:
    """A command under way: who waits, and who hears of a reply that nobody awaits."""

    __slots__ = ("late_at", "otherwise", "sent_at", "waiting")

    def __init__(
        self,
        waiting: Waiting | None,
        otherwise: Otherwise,
        *,
        sent_at: int,
        late_at: int,
    ) -> None:
        self.waiting, self.otherwise = waiting, otherwise
        self.sent_at, self.late_at = sent_at, late_at


class Connection(asyncio.Protocol):
    """A connection that is made or lost, and never made again."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, deadline_s: float) -> None:
        self._loop = loop
        self._tick_s = deadline_s / (TICKS - 1)
        self._hung_ticks = max(TICKS, round(HUNG_S / self._tick_s))
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._unsent: list[bytes] = []
        self._under_way: deque[_Call] = deque()
        self._waiting: deque[_Call] = deque()
        self.lost: asyncio.Future[None] = loop.create_future()

    def send(
        self,
        command: bytes,
        waiting: Waiting | None = None,
        otherwise: Otherwise = nobody_waits,
        *,
        ticks: int = TICKS,
    ) -> None:
        """Send a command at the end of this turn of the loop.

        Its reply goes to `waiting`; where there is none or it waits no more, to
        `otherwise`. Fewer `ticks` make its deadline a shorter one, where nobody waits
        longer before it. Raises `StoreAwayError` when it cannot be sent.
        """
        if self._transport is None or self.lost.done():
            raise StoreAwayError("the connection is lost")
        if len(self._under_way) >= UNDER_WAY_MAX:
            raise StoreAwayError("too much is under way")
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(command)
        now = self._ticks
        call = _Call(waiting, otherwise, sent_at=now, late_at=now + ticks)
        self._under_way.append(call)
        if waiting is not None:
            self._waiting.append(call)
        if self._timer is None:
            self._timer = self._loop.call_later(self._tick_s, self._tick)

    @property
    def is_idle(self) -> bool:
        """Tell whether no command is under way."""
        return not self._under_way

    def abort(self) -> None:
        """Drop the connection, with whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand out the replies that are complete."""
        try:
            for reply in self._reader.feed(data):
                self._hand_out(reply)
        except RespError:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.lost.done():
            self.lost.set_result(None)
        for call in self._under_way:
            _fail(call, "the connection is lost")
        self._under_way.clear()
        self._waiting.clear()

    def _hand_out(self, reply: Reply) -> None:
        if not self._under_way:
            raise RespError("a reply to nothing")
        call = self._under_way.popleft()
        if call.waiting is not None and not call.waiting.done():
            call.waiting.set_result(reply)
        else:
            call.otherwise(reply)

    def _flush(self) -> None:
        commands, self._unsent = self._unsent, []
        if self._transport is not None and not self.lost.done():
            self._transport.write(b"".join(commands))

    def _tick(self) -> None:
        self._ticks += 1
        self._timer = None
        while self._waiting and self._waiting[0].late_at <= self._ticks:
            _fail(self._waiting.popleft(), "no answer in time")
        if not self._under_way:
            # Those who wait are among what is under way: nobody does.
            self._waiting.clear()
            return
        if self._under_way[0].sent_at <= self._ticks - self._hung_ticks:
            self.abort()
            return
        self._timer = self._loop.call_later(self._tick_s, self._tick)


def _fail(call: _Call, reason: str) -> None:
    if call.waiting is not None and not call.waiting.done():
        call.waiting.set_exception(StoreAwayError(reason))
