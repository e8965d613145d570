"""The crowds: many who send slowly, and some who send much that makes no sense.

Each runs on a loop of its own in a process of its own, so that what it costs a client
to be hostile is not taken for what it costs the gateway.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from tests.hostile.healthy import post
from tests.hostile.stage import BODY_BYTES_MAX, PATIENCE_S, Target

SENDERS = 2
HUGE_BYTES = 20 * 1024 * 1024
# What one sender waits between two of its bodies.
PAUSE_S = 1.0
_AT_ONCE = 200


@dataclass(slots=True)
class Met:
    """What a crowd met: connections that it has, and how its bodies were answered."""

    connected: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    answers_ms: list[float] = field(default_factory=list)


def _chat(content: bytes) -> bytes:
    return b'{"model":"?","messages":[{"role":"user","content":"%b"}]}' % content


BODIES: Mapping[str, Callable[[int], bytes]] = {
    "large bodies": lambda size: _chat(b"word " * ((size - 100) // 5)),
    "bodies at the limit": lambda _: _chat(b"word " * ((BODY_BYTES_MAX - 100) // 5)),
    "deep bodies": lambda size: b"[" * size,
    "a million spaces": lambda size: b" " * min(size, 1_000_000),
    "fields": lambda size: b"{" + b'"k":1,' * ((size - 10) // 6) + b'"k":1}',
    "items": lambda size: b'{"prompt":[' + b"1," * ((size - 20) // 2) + b"1]}",
    "escapes": lambda size: _chat(b'\\"' * ((size - 100) // 2)) + b"[]" * 33,
}
SLOW = ("slow heads", "slow bodies")
CROWDS = (*SLOW, *BODIES)


@contextmanager
def crowd(
    name: str, target: Target, *, connections: int, size: int = HUGE_BYTES
) -> Iterator[Callable[[], Met]]:
    """Let a crowd act until the block ends; give what asks it for what it met."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(
        target=_act, args=(theirs, name, target, connections, size), daemon=True
    )
    process.start()
    met: list[Met] = []

    def end() -> Met:
        if not met:
            ours.send(None)
            met.append(ours.recv())
        return met[0]

    try:
        # It is there.
        ours.recv()
        yield end
    finally:
        end()
        process.join(PATIENCE_S)


def _act(
    pipe: Connection, name: str, target: Target, connections: int, size: int
) -> None:
    asyncio.run(_meet(pipe, name, target, connections, size))


async def _meet(
    pipe: Connection, name: str, target: Target, connections: int, size: int
) -> None:
    met = Met()
    if name in SLOW:
        acting = await _slow(name, target, met, connections)
    else:
        body = BODIES[name](size)
        senders = (_send_often(target, met, body) for _ in range(SENDERS))
        acting = [asyncio.create_task(each) for each in senders]
    pipe.send(None)
    await asyncio.to_thread(pipe.recv)
    for task in acting:
        task.cancel()
    await asyncio.gather(*acting, return_exceptions=True)
    pipe.send(met)


async def _slow(
    name: str, target: Target, met: Met, connections: int
) -> list[asyncio.Task[None]]:
    """Open all connections, then send a byte on each of them in turn."""
    head = post(target, 1_000_000)
    if name == "slow heads":
        head = head[:40]
    gate = asyncio.Semaphore(_AT_ONCE)
    writers: list[asyncio.StreamWriter] = []

    async def open_one() -> None:
        async with gate:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    _, writer = await asyncio.open_connection("127.0.0.1", target.port)
                writer.write(head)
                writers.append(writer)

    await asyncio.gather(*(open_one() for _ in range(connections)))
    met.connected = len(writers)

    async def drip() -> None:
        while True:
            for writer in writers:
                writer.write(b"a")
                await asyncio.sleep(0.001)

    return [asyncio.create_task(drip())]


async def _send_often(target: Target, met: Met, body: bytes) -> None:
    while True:
        sent = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        try:
            writer.write(post(target, len(body)) + body)
            line = await reader.readline()
            status = int(line.split()[1]) if line else 0
        except ConnectionError:
            status = 0
        finally:
            writer.close()
        met.answers_ms.append((time.monotonic() - sent) * 1000)
        met.statuses[status] = met.statuses.get(status, 0) + 1
        await asyncio.sleep(PAUSE_S)
