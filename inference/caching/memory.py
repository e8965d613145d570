"""Answers in this process's memory: so many bytes, the least lately used go first.

Failure: none of its own. Owns: the answers, which end with the process.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from inference.caching.cache import VALUE_BYTES_MAX
from kit.clock import boot_us

# What an entry takes besides its key and its value, about.
ENTRY_BYTES = 300
_US = 1_000_000


@dataclass(frozen=True, slots=True)
class _Kept:
    value: bytes
    until_us: int


class MemoryCache:
    """A `ResponseCache` in memory; `now_us` is a clock that only goes on."""

    def __init__(self, *, bytes_max: int, now_us: Callable[[], int] = boot_us) -> None:
        self._bytes_max = bytes_max
        self._now_us = now_us
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, key: bytes) -> bytes | None:
        """Return what is kept under a key and has not run out."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until_us <= self._now_us():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept.value

    def put(self, key: bytes, value: bytes, *, ttl_s: int) -> None:
        """Keep a value, in the place of those that were used longest ago."""
        if len(value) > VALUE_BYTES_MAX:
            return
        self._drop(key)
        self._kept[key] = _Kept(value, self._now_us() + ttl_s * _US)
        self.size += _size(key, value)
        while self.size > self._bytes_max:
            self._drop(next(iter(self._kept)))

    async def close(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self.size = 0

    def _drop(self, key: bytes) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.size -= _size(key, kept.value)


def _size(key: bytes, value: bytes) -> int:
    return len(key) + len(value) + ENTRY_BYTES
