"""Clients that leave at every byte of a stream, and clients that never read.

Each is billed what was handed over: what it had, and what lay in the sockets. The
engine stops soon after a client has left, and who does not read holds neither memory
nor the engine for ever.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator

from config.local.children import LOOPBACK
from tests.chaos.books import FASTEST_PACE_MS
from tests.chaos.clients import Ask, Record
from tests.chaos.cluster import Gateway
from tests.chaos.stage import Case, Setting, Stage
from tests.standins.kernel_queues import lying_in_sockets
from tests.standins.reading_proxy import Drop, Farewell, Moment, Reading

STREAM_BYTES = 4096
# Every client leaves while the engine is at work, and it is the only one to leave.
LONG_TOKENS = 2_000
PACE_MS = FASTEST_PACE_MS
MEASURED_EACH = 8
AT_ONCE = 8
ABORT_S_MAX = 0.25
ABORT_PATIENCE_S = 5.0
WEIGH_S = 0.5
UNREAD = 20
# Their answers would take longer than anybody waits for them to read.
UNREAD_TOKENS, UNREAD_PACE_MS = 6_000, 20
BEGUN_SECONDS_MAX = 20.0
# A client that takes nothing is dropped after a minute.
STALL_SECONDS_MAX = 90.0
UNREAD_BYTES_MAX = 512 * 1024


async def leave_at_every_byte(stage: Stage) -> None:
    """Leave after each number of bytes, in turn with and without a goodbye."""
    cluster, [gateway] = stage.cluster, stage.cluster.gateways
    await cluster.behave(first_token_ms=PACE_MS, inter_token_ms=PACE_MS)
    step = max(1, STREAM_BYTES // stage.times)
    offsets = list(range(1, STREAM_BYTES + 1, step))
    places = asyncio.Semaphore(AT_ONCE)

    async def leave(offset: int) -> None:
        async with places:
            await stage.ask(gateway, max_tokens=LONG_TOKENS, drop=_drop(offset))

    await asyncio.gather(*map(leave, offsets))
    took = [
        await _seconds_to_abort(stage, gateway, offset)
        for offset in offsets[:: max(MEASURED_EACH, len(offsets) // 200)]
    ]
    stage.times = len(offsets) + len(took)
    p99 = sorted(took)[max(0, round(len(took) * 0.99) - 1)]
    stage.notes.append(
        f"engine stopped after {p99 * 1000:.0f} ms (p99 of {len(took)},"
        f" longest {max(took) * 1000:.0f} ms)"
    )
    if p99 > ABORT_S_MAX:
        stage.faults.append(f"the engine goes on for {p99 * 1000:.0f} ms (p99)")


def _drop(offset: int) -> Drop:
    return Drop(Moment.AT_BYTE, offset, Farewell.FIN if offset % 2 else Farewell.RST)


async def _seconds_to_abort(stage: Stage, gateway: Gateway, offset: int) -> float:
    """Return how long the engine went on after its client had left."""
    [engine] = stage.cluster.engines
    took = ABORT_PATIENCE_S

    @contextlib.asynccontextmanager
    async def measured() -> AsyncIterator[None]:
        nonlocal took
        before = (await stage.cluster.stats(engine))["aborted"]
        yield
        left_at = time.monotonic()
        while time.monotonic() < left_at + ABORT_PATIENCE_S:
            if (await stage.cluster.stats(engine))["aborted"] > before:
                took = time.monotonic() - left_at
                return

    await stage.ask(
        gateway, around=measured, max_tokens=LONG_TOKENS, drop=_drop(offset)
    )
    return took


async def never_read(stage: Stage) -> None:
    """Ask for long answers and read nothing; hold the gateway's memory against it."""
    cluster, [gateway] = stage.cluster, stage.cluster.gateways
    [engine] = cluster.engines
    await cluster.behave(first_token_ms=0, inter_token_ms=UNREAD_PACE_MS)
    await stage.ask(gateway)
    before = cluster.weight(gateway)
    most, began = before, time.monotonic()
    asks = [
        Ask(next(stage.numbers), max_tokens=UNREAD_TOKENS) for _ in range(stage.times)
    ]
    asked = [await _ask_and_read_nothing(stage, gateway, ask) for ask in asks]
    while (await cluster.stats(engine))["open"] < stage.times:
        assert time.monotonic() < began + BEGUN_SECONDS_MAX, "not all of them began"
        await asyncio.sleep(WEIGH_S)
    while (await cluster.stats(engine))["open"]:
        most = max(most, cluster.weight(gateway))
        if time.monotonic() > began + STALL_SECONDS_MAX:
            stage.faults.append("a client that reads nothing is never dropped")
            break
        await asyncio.sleep(WEIGH_S)
    stage.notes.append(
        f"dropped after {time.monotonic() - began:.0f} s;"
        f" {(most - before) / 1024:,.0f} KiB more memory for {stage.times} of them"
    )
    if most - before > UNREAD_BYTES_MAX * stage.times:
        stage.faults.append(f"the gateway grew by {most - before:,} bytes")
    for record, sock in asked:
        await _read_what_is_left(record, sock)


async def _ask_and_read_nothing(
    stage: Stage, gateway: Gateway, ask: Ask
) -> tuple[Record, socket.socket]:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    customer = stage.cluster.customers[0]
    record = Record(ask, customer, gateway.name, Reading(gateway.url), time.monotonic())
    stage.records.append(record)
    await loop.sock_connect(sock, (LOOPBACK, gateway.port))
    await loop.sock_sendall(sock, ask.http(customer.key))
    return record, sock


async def _read_what_is_left(record: Record, sock: socket.socket) -> None:
    """Read what the sockets still hold, and close."""
    loop, reading = asyncio.get_running_loop(), record.reading
    reading.sockets = lying_in_sockets(sock)
    with contextlib.suppress(OSError), sock:
        async with asyncio.timeout(ABORT_PATIENCE_S):
            while data := await loop.sock_recv(sock, 65536):
                reading.transcript.feed(data)
    record.ended_at = time.monotonic()


ALONE = Setting(gateways=1, engines=1, clients=0)
LEAVES = Case("client leaves at each byte", leave_at_every_byte, STREAM_BYTES, ALONE)
NEVER_READS = Case("client never reads", never_read, UNREAD, ALONE)
