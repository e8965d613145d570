"""A lean HTTP/1.1 client for engines: kept connections, one exchange on each at a time.

A connection goes back to the pool only when its answer has been read to the end and
nothing is left over: returning it earlier is how answers reach the wrong tenant. That
holds behind TLS too, where others keep what came behind an answer for the next one.
Failure: see `inference.engines.exchange`. Owns: the kept connections, and one watchdog
that sweeps the deadlines of all exchanges.
"""

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import Mapping

from inference.engines.exchange import Exchange
from inference.engines.origin import (
    Deadline,
    EngineLostError,
    EngineUnreachableError,
    Origin,
    Timeouts,
    request_head,
)
from inference.engines.tunnel import Proxy, open_tunnel

# Engines under uvicorn close idle connections after five seconds: ours are younger.
IDLE_S_MAX = 3.0
SWEEP_S = 0.25


class EnginePool:
    """Keep-alive connections to all engines, and the watchdog over their exchanges."""

    def __init__(
        self, *, timeouts: Timeouts, ca_file: str = "", proxy: str = ""
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.timeouts = timeouts
        self.running: set[Exchange] = set()
        self.missed: Counter[Deadline] = Counter()
        self._idle: dict[Origin, deque[Exchange]] = {}
        self._tls = tls_context(ca_file)
        self._proxy = Proxy.parse(proxy)
        self._watchdog = self.loop.create_task(self._sweep(), name="engine watchdog")

    async def request(
        self,
        origin: Origin,
        *,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        fresh: bool = False,
    ) -> Exchange:
        """Send a request, on a kept connection where there is one.

        `fresh` asks for a new connection: on a kept one that breaks, nobody can tell
        whether the request was taken. Raises `EngineUnreachableError` when no
        connection can be made.
        """
        head = request_head(
            origin, method=method, path=path, headers=headers, length=len(body)
        )
        exchange = None if fresh else self._kept(origin)
        if exchange is None:
            exchange = await self._connect(origin)
        exchange.send(head, body, bodiless=method == "HEAD")
        return exchange

    def give_back(self, exchange: Exchange) -> None:
        """Keep a connection whose answer has been read to the end."""
        exchange.is_reused = True
        exchange.idle_since = self.loop.time()
        self._idle.setdefault(exchange.origin, deque()).append(exchange)

    def forget(self, exchange: Exchange) -> None:
        """Drop a kept connection that the engine closed."""
        idle = self._idle.get(exchange.origin)
        if idle is not None and exchange in idle:
            idle.remove(exchange)

    def give_up_on(self, origin: Origin, *, silent_since: float) -> None:
        """Let nobody wait any longer for the first of an answer from there.

        For an engine that has not even answered probes: what it was sent may be sent to
        others, and raises `EngineLostError`. One that goes on with an answer lives.
        """
        there = [each for each in self.running if each.origin == origin]
        if any(each.was_heard(silent_since) for each in there):
            return
        for exchange in there:
            exchange.give_up_waiting()

    async def close(self) -> None:
        """Stop the watchdog and close every connection."""
        self._watchdog.cancel()
        for exchange in list(self.running):
            exchange.interrupter()(EngineLostError("the gateway stops"))
        for idle in self._idle.values():
            while idle:
                idle.pop().discard()

    def _kept(self, origin: Origin) -> Exchange | None:
        idle = self._idle.get(origin)
        young = self.loop.time() - IDLE_S_MAX
        while idle:
            # The youngest first, so that surplus connections grow old and go.
            exchange = idle.pop()
            if exchange.is_open and exchange.idle_since >= young:
                return exchange
            exchange.discard()
        return None

    async def _connect(self, origin: Origin) -> Exchange:
        try:
            # A connection is rare, and only its task's cancellation ends the attempt.
            async with asyncio.timeout(self.timeouts.connect):
                if origin.tls and self._proxy is not None:
                    return await self._connect_through(self._proxy, origin)
                _, exchange = await self.loop.create_connection(
                    lambda: Exchange(self, origin),
                    origin.host,
                    origin.port,
                    ssl=self._tls if origin.tls else None,
                )
        except TimeoutError as error:
            self.missed[Deadline.CONNECT] += 1
            raise EngineUnreachableError("no connection in time") from error
        except OSError as error:
            raise EngineUnreachableError(type(error).__name__) from error
        return exchange

    async def _connect_through(self, proxy: Proxy, origin: Origin) -> Exchange:
        transport = await open_tunnel(proxy, origin)
        exchange = Exchange(self, origin)
        try:
            secured = await self.loop.start_tls(
                transport, exchange, self._tls, server_hostname=origin.host
            )
        except BaseException:
            transport.abort()
            raise
        if secured is None:
            raise EngineUnreachableError("the connection was closed")
        exchange.connection_made(secured)
        return exchange

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now = self.loop.time()
            for exchange in list(self.running):
                missed = exchange.interrupt_if_late(now)
                if missed is not None:
                    self.missed[missed] += 1


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return how engines are known: by the system's authorities, and those of a file.

    Raises `OSError` for a file that holds none.
    """
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context
