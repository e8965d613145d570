"""Healthy traffic: short streams at a steady pace, each timed to its first token.

A stream is asked for when its time has come, whether those before it have ended or not:
a gateway that stalls is seen by all that it keeps waiting.
"""

import asyncio
import time
from dataclasses import dataclass, field

import orjson

from tests.hostile.stage import Target

TOKENS = 8
_PATIENCE_S = 20.0


@dataclass(slots=True)
class Felt:
    """How long healthy clients waited for their first token, and how many in vain."""

    waits_ms: list[float] = field(default_factory=list)
    failed: int = 0

    def percentile(self, share: float) -> float:
        """Return the wait that this share of all did not exceed."""
        ordered = sorted(self.waits_ms) or [float("nan")]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def traffic(target: Target, *, seconds: float, per_second: float) -> Felt:
    """Ask for streams for so long; return what was felt."""
    felt = Felt()
    started = time.monotonic()
    async with asyncio.TaskGroup() as streams:
        for number in range(int(seconds * per_second)):
            due = started + number / per_second
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            streams.create_task(_stream(target, felt))
    return felt


async def _stream(target: Target, felt: Felt) -> None:
    body = orjson.dumps(
        {
            "model": target.model,
            "stream": True,
            "max_tokens": TOKENS,
            "messages": [{"role": "user", "content": "one two three"}],
        }
    )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            sent = time.monotonic()
            reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
            writer.write(post(target, len(body)) + body)
            await reader.readuntil(b'"content":" t1')
            felt.waits_ms.append((time.monotonic() - sent) * 1000)
            await reader.readuntil(b"data: [DONE]")
            writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        felt.failed += 1


def post(target: Target, length: int) -> bytes:
    """Return the head of a chat whose body has this length."""
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"
        b"content-type: application/json\r\nauthorization: Bearer %b\r\n"
        b"content-length: %d\r\n\r\n" % (target.key.encode(), length)
    )
