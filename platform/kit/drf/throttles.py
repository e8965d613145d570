"""How often one caller may ask: reads and writes per token, wrong tokens per address.

All tokens of a tenant together have some times the share of one: it issues as many as
it likes, and would otherwise ask as often as it likes.

A sliding window of a minute, counted in a cache that all web processes share where
there is a Redis: this minute's count, and of the last minute's as much as still lies
within sixty seconds. Nobody gets twice the limit around the turn of a minute.

Failure: a cache that is away throttles nobody. It is asked again after some seconds, so
that not every request waits for it; each time is logged.
"""

import math

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
TENANTS_SHARES = 5

log = structlog.get_logger(__name__)


class Breaker:
    """Keeps requests from a cache that did not answer a moment ago."""

    def __init__(self) -> None:
        self._until_s = 0.0

    def is_open(self, now_s: float) -> bool:
        """Tell whether the cache is left alone."""
        return now_s < self._until_s

    def open(self, now_s: float) -> None:
        """Leave the cache alone for a while."""
        self._until_s = now_s + AWAY_S

    def close(self) -> None:
        """Ask the cache again at once."""
        self._until_s = 0.0


breaker = Breaker()


def take_request(actor: Actor, *, is_read: bool, now_s: float) -> None:
    """Count a request of a caller; raises `RateLimited` when it has had its share."""
    kind, limit = (
        ("reads", settings.API_READS_PER_MINUTE)
        if is_read
        else ("writes", settings.API_WRITES_PER_MINUTE)
    )
    shares = {f"{kind}:{actor.kind}:{actor.id or 0}": limit}
    if actor.tenant_id is not None:
        shares[f"{kind}:tenant:{actor.tenant_id}"] = limit * TENANTS_SHARES
    taken: list[str] = []
    for key, most in shares.items():
        used = _count(key, 1, now_s)
        taken.append(key)
        if used is not None and used > most:
            # What is refused does not count: whoever keeps asking still gets its share.
            for each in taken:
                _count(each, -1, now_s)
            whose = "" if key == taken[0] else " of one tenant"
            raise _refusal(f"{kind}{whose} in a minute: at most {most}", now_s)


def take_failure(address: Address | None, *, now_s: float) -> None:
    """Count a wrong token; raises `RateLimited` when its address sends too many.

    Right ones of that address are taken all the same: many people may share it.
    """
    used = _count(f"failures:{address}", 1, now_s)
    if used is not None and used > settings.API_FAILED_AUTH_PER_MINUTE:
        raise _refusal("wrong tokens from this address", now_s)


def _refusal(what: str, now_s: float) -> RateLimited:
    wait_s = math.ceil(WINDOW_S - now_s % WINDOW_S)
    return RateLimited(
        f"Too many {what}. Try again in {wait_s} seconds.",
        headers={"Retry-After": str(wait_s)},
    )


def _count(key: str, step: int, now_s: float) -> float | None:
    """Add to this minute's count and return the sliding one; None without a cache."""
    if breaker.is_open(now_s):
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
        breaker.open(now_s)
        log.warning("throttles_are_off", error=type(away).__name__, for_s=AWAY_S)
        return None
    except ValueError:
        # The count was evicted between the two: as good as none.
        return None
    return float(current + before * (1 - elapsed_s / WINDOW_S))
