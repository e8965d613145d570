"""Stays connected to a store, in the background.

Whoever has a command uses the connection that there is; without one it hears so at once
and never waits for one to be made. A connection that nobody uses is asked every second
whether it still is one.

Failure: `StoreAwayError`. Connecting is tried again for ever, a little later each time;
the first failure in a row is logged. Owns: the connection and the task that makes it.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress

import structlog

from inference.limiting.address import StoreAddress
from inference.limiting.connection import (
    TICKS,
    Connection,
    Otherwise,
    StoreAwayError,
    Waiting,
    nobody_waits,
)
from inference.limiting.resp import Argument, Reply, ServerError, encode

CONNECT_S = 1.0
PING_S = 1.0
PAUSE_S_MIN, PAUSE_S_MAX = 0.05, 1.0
_PING = encode("PING")

log = structlog.get_logger("tollgate.limiting")


class StoreClient:
    """Commands to one store; `greeting` is said first on each connection."""

    def __init__(
        self,
        address: StoreAddress,
        *,
        deadline_s: float,
        greeting: Sequence[tuple[Argument, ...]] = (),
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._address = address
        self._deadline_s = deadline_s
        self._greeting = (*_login(address), *greeting)
        self._connection: Connection | None = None
        self._connected = asyncio.Event()
        self._task = self.loop.create_task(self._stay(), name="limit store")

    def send(
        self,
        command: bytes,
        waiting: Waiting | None = None,
        otherwise: Otherwise = nobody_waits,
        *,
        ticks: int = TICKS,
    ) -> None:
        """Send a command; see `Connection.send`. Raises `StoreAwayError`."""
        if self._connection is None:
            raise StoreAwayError("there is no connection")
        self._connection.send(command, waiting, otherwise, ticks=ticks)

    @property
    def is_idle(self) -> bool:
        """Tell whether no command is under way."""
        return self._connection is None or self._connection.is_idle

    async def connected(self, *, seconds_max: float = CONNECT_S) -> bool:
        """Wait for a connection, and tell whether there is one."""
        try:
            async with asyncio.timeout(seconds_max):
                await self._connected.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Close the connection once what was sent has left."""
        self._task.cancel()
        await asyncio.wait({self._task})
        if self._connection is not None:
            await self._part(self._connection)
            self._connection = None

    async def _stay(self) -> None:
        pause_s = PAUSE_S_MIN
        while True:
            try:
                async with asyncio.timeout(CONNECT_S):
                    connection = await self._connect()
            except (OSError, StoreAwayError) as error:
                # TimeoutError is an OSError.
                if pause_s == PAUSE_S_MIN:
                    reason = str(error) or type(error).__name__
                    log.warning("limit_store_unreachable", error=reason)
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311
                pause_s = min(2 * pause_s, PAUSE_S_MAX)
                continue
            pause_s = PAUSE_S_MIN
            self._connection = connection
            self._connected.set()
            await self._watch(connection)
            self._connected.clear()
            self._connection = None

    async def _connect(self) -> Connection:
        """Connect and log in; raises `OSError` or `StoreAwayError`."""
        address, loop = self._address, self.loop
        made = Connection(loop, deadline_s=self._deadline_s)
        if address.path:
            await loop.create_unix_connection(lambda: made, address.path)
        else:
            await loop.create_connection(
                lambda: made, address.host, address.port, ssl=address.tls
            )
        try:
            if self._greeting:
                await self._say(made, *self._greeting)
        except BaseException:
            made.abort()
            raise
        return made

    async def _say(
        self, connection: Connection, *commands: tuple[Argument, ...]
    ) -> None:
        """Send commands and wait for their success, with more patience than others.

        Raises `StoreAwayError`.
        """
        replies: list[Reply] = []
        all_heard: asyncio.Future[None] = self.loop.create_future()

        def hear(reply: Reply) -> None:
            replies.append(reply)
            if len(replies) == len(commands) and not all_heard.done():
                all_heard.set_result(None)

        for command in commands:
            connection.send(encode(*command), None, hear)
        await asyncio.wait(
            {all_heard, connection.lost}, return_when=asyncio.FIRST_COMPLETED
        )
        if not all_heard.done():
            raise StoreAwayError("the connection is lost")
        for reply in replies:
            if isinstance(reply, ServerError):
                raise StoreAwayError(reply.code)

    async def _watch(self, connection: Connection) -> None:
        """Return when the connection is lost."""
        while not connection.lost.done():
            await asyncio.wait({connection.lost}, timeout=PING_S)
            if connection.is_idle and not connection.lost.done():
                connection.send(_PING)

    async def _part(self, connection: Connection) -> None:
        """Let what was sent be answered, for a moment, then close."""
        with suppress(TimeoutError, StoreAwayError):
            async with asyncio.timeout(self._deadline_s):
                await self._say(connection, ("PING",))
        connection.abort()
        await asyncio.wait({connection.lost}, timeout=CONNECT_S)


def _login(address: StoreAddress) -> Sequence[tuple[Argument, ...]]:
    commands: list[tuple[Argument, ...]] = []
    if address.password:
        user = (address.user,) if address.user else ()
        commands.append(("AUTH", *user, address.password))
    if address.database:
        commands.append(("SELECT", address.database))
    return commands
