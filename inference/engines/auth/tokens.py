"""Tokens that live for a while: fetched off the event loop, renewed ahead of time.

Of many requests that need one at once, one fetch is made; while an old token is still
good, nobody waits for the next. Failure: without a token in hand, whoever asks gets an
`EngineUnreachableError`; the log names the kind of error and no secret. Owns: the
tokens of this process.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import structlog

from inference.engines.origin import EngineUnreachableError

# A token is renewed this long before it ends, or in its last fifth if it is short.
AHEAD_S = 300.0
# One that ends within this is not sent any more: it has a way to go.
MARGIN_S = 10.0
FETCH_S_MAX = 15.0

log = structlog.get_logger("tollgate.gateway")


@dataclass(frozen=True, slots=True)
class Token:
    """A token and how long it lives from when it was given."""

    text: str
    lives_s: float


Fetch = Callable[[], Token]


@dataclass(slots=True)
class _Kept:
    text: str = ""
    renew_at: float = 0.0
    ends_at: float = 0.0
    fetching: "asyncio.Task[None] | None" = None


class TokenCache:
    """Tokens by whatever they were fetched with."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: dict[Hashable, _Kept] = {}

    async def token(self, key: Hashable, fetch: Fetch) -> str:
        """Return a token that is good; `fetch` runs in a thread and may block."""
        kept = self._kept.setdefault(key, _Kept())
        now = self._now()
        if now < kept.renew_at:
            return kept.text
        fetching = self._fetching(kept, fetch)
        if now < kept.ends_at:
            return kept.text
        # Whoever leaves meanwhile does not take the token from the others.
        await asyncio.shield(fetching)
        if self._now() >= kept.ends_at:
            raise EngineUnreachableError("no token was given for the engine")
        return kept.text

    def _fetching(self, kept: _Kept, fetch: Fetch) -> "asyncio.Task[None]":
        loop = asyncio.get_running_loop()
        running = kept.fetching
        if running is None or running.done() or running.get_loop() is not loop:
            running = loop.create_task(self._fetch(kept, fetch), name="engine token")
            kept.fetching = running
        return running

    async def _fetch(self, kept: _Kept, fetch: Fetch) -> None:
        asked_at = self._now()
        try:
            async with asyncio.timeout(FETCH_S_MAX):
                token = await asyncio.to_thread(fetch)
        except Exception as error:
            # Its text may hold what was sent.
            log.warning("engine_token_not_given", error=type(error).__name__)
            return
        ahead_s = min(AHEAD_S, token.lives_s / 5)
        kept.text = token.text
        kept.renew_at = asked_at + token.lives_s - max(ahead_s, MARGIN_S)
        kept.ends_at = asked_at + token.lives_s - MARGIN_S
