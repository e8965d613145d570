"""Answers in a Valkey or Redis, so that what one gateway has kept others find.

On a connection of its own, made when it is first needed: answers are large, and the
commands of rate limits do not wait behind them.

Failure: a store that is away, late or answers with an error is a miss. After one that
was late, none is asked for `REST_US`, so that a store that hangs is not felt. Owns: the
connection.
"""

from collections.abc import Callable

from inference.caching.cache import VALUE_BYTES_MAX
from inference.limiting.client import StoreClient
from inference.limiting.connection import StoreAwayError, Waiting
from inference.limiting.resp import encode
from kit.clock import boot_us

PREFIX = b"tg:rc:"
REST_US = 1_000_000


class ValkeyCache:
    """A `ResponseCache` in a store; `connect` makes a client whose deadline holds."""

    def __init__(
        self,
        connect: Callable[[], StoreClient],
        *,
        now_us: Callable[[], int] = boot_us,
    ) -> None:
        self._connect = connect
        self._now_us = now_us
        self._made: StoreClient | None = None
        self._rests_until_us = 0

    async def get(self, key: bytes) -> bytes | None:
        """Ask the store; within its deadline, or there is nothing."""
        if self._now_us() < self._rests_until_us:
            return None
        client = self._client()
        waiting: Waiting = client.loop.create_future()
        try:
            client.send(encode("GET", PREFIX + key), waiting)
        except StoreAwayError:
            return None
        try:
            reply = await waiting
        except StoreAwayError:
            self._rests_until_us = self._now_us() + REST_US
            return None
        return reply if isinstance(reply, bytes) else None

    def put(self, key: bytes, value: bytes, *, ttl_s: int) -> None:
        """Tell the store; nobody waits for it."""
        if len(value) > VALUE_BYTES_MAX or self._now_us() < self._rests_until_us:
            return
        try:
            self._client().send(encode("SET", PREFIX + key, value, "EX", ttl_s))
        except StoreAwayError:
            return

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._made is not None:
            await self._made.close()

    def _client(self) -> StoreClient:
        """Return the client; until its connection is made, there is nothing in it."""
        if self._made is None:
            self._made = self._connect()
        return self._made
