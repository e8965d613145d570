"""How often one caller may ask: reads and writes per token, wrong tokens per address.

A sliding window of a minute, counted in a cache that all web processes share where
there is a Redis: this minute's count, and of the last minute's as much as still lies
within sixty seconds. Nobody gets twice the limit around the turn of a minute.

Failure: a cache that is away throttles nobody. It is asked again after some seconds, so
that not every request waits for it; each time is logged.
"""

import math
import time

import structlog
from django.conf import settings
from django.core.cache import caches
from redis.exceptions import RedisError

from kit.acting import Actor
from kit.errors import RateLimited
from kit.networks import Address

WINDOW_S = 60
CACHE = "throttles"
AWAY_S = 5.0

log = structlog.get_logger(__name__)


class Breaker:
    """Keeps requests from a cache that did not answer a moment ago."""

    def __init__(self) -> None:
        self._open_until_s = 0.0

    def is_open(self, now_s: float) -> bool:
        """Tell whether the cache is left alone."""
        return now_s < self._open_until_s

    def open(self, now_s: float) -> None:
        """Leave the cache alone for a while."""
        self._open_until_s = now_s + AWAY_S


_breaker = Breaker()


def take_request(actor: Actor, *, is_read: bool) -> None:
    """Count a request of a caller; raises `RateLimited` when it has had its share."""
    kind, limit = (
        ("reads", settings.API_READS_PER_MINUTE)
        if is_read
        else ("writes", settings.API_WRITES_PER_MINUTE)
    )
    _take(f"{kind}:{actor.kind}:{actor.id or 0}", limit, kind)


def require_few_failures(address: Address | None) -> None:
    """Raise `RateLimited` for an address that sent too many wrong tokens."""
    now_s = time.time()
    used = _used(_failures(address), now_s)
    if used >= settings.API_FAILED_AUTH_PER_MINUTE:
        raise _refusal("wrong tokens from this address", now_s)


def count_failure(address: Address | None) -> None:
    """Count a wrong token against the address that sent it."""
    _count(_failures(address), time.time(), 1)


def _take(key: str, limit: int, what: str) -> None:
    now_s = time.time()
    used = _count(key, now_s, 1)
    if used is not None and used > limit:
        # What is refused does not count: whoever keeps asking still gets its share.
        _count(key, now_s, -1)
        raise _refusal(f"{what} in a minute: at most {limit}", now_s)


def _refusal(what: str, now_s: float) -> RateLimited:
    wait_s = math.ceil(WINDOW_S - now_s % WINDOW_S)
    return RateLimited(
        f"Too many {what}. Try again in {wait_s} seconds.",
        headers={"Retry-After": str(wait_s)},
    )


def _failures(address: Address | None) -> str:
    return f"failures:{address}"


def _used(key: str, now_s: float) -> float:
    """Return the count of the last minute; 0 where it cannot be known."""
    used = _count(key, now_s, 0)
    return used if used is not None else 0.0


def _count(key: str, now_s: float, step: int) -> float | None:
    """Add to this minute's count and return the sliding one; None without a cache."""
    monotonic_s = time.monotonic()
    if _breaker.is_open(monotonic_s):
        return None
    minute, elapsed_s = divmod(now_s, WINDOW_S)
    this, last = f"{key}:{int(minute)}", f"{key}:{int(minute) - 1}"
    cache = caches[CACHE]
    try:
        if step:
            cache.add(this, 0, timeout=2 * WINDOW_S)
            current = cache.incr(this, step)
        else:
            current = cache.get(this, 0)
        before = cache.get(last, 0)
    except (RedisError, OSError) as away:
        _breaker.open(monotonic_s)
        log.warning("throttles_are_off", error=type(away).__name__, for_s=AWAY_S)
        return None
    except ValueError:
        # The count was evicted between the two: as good as none.
        return None
    return float(current + before * (1 - elapsed_s / WINDOW_S))
