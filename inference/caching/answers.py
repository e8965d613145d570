"""The answers of all tenants: found by what was asked, and read by nobody else's key.

The tenant is part of a key and of what seals a value, so that no tenant can be given
what another one was answered, whatever is wrong elsewhere. Keys are digests and values
are sealed: whoever reads the cache learns neither prompts nor answers.

Failure: a value that was altered is a miss, and logged. Owns: the cache, and the counts
of what it was asked.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from inference.caching.cache import ResponseCache
from kit.sealing import SealBrokenError, seal, unseal

Readings = Mapping[str, tuple[str, Callable[[], float]]]

log = structlog.get_logger("tollgate.caching")


@dataclass(slots=True)
class CacheMetrics:
    """What the cache was asked, in the shape of the gateway's metrics page."""

    hits: int = 0
    misses: int = 0
    kept: int = 0

    @property
    def counters(self) -> Readings:
        """Return what has happened so often."""
        return {
            "tollgate_cache_hits": (
                "Requests that were answered from the response cache.",
                lambda: self.hits,
            ),
            "tollgate_cache_misses": (
                "Requests whose answer was looked for in the cache and not there.",
                lambda: self.misses,
            ),
            "tollgate_cache_kept": (
                "Answers that were given to the cache.",
                lambda: self.kept,
            ),
        }


@dataclass(frozen=True, slots=True)
class KeptAnswers:
    """Kept answers by tenant, under one secret."""

    cache: ResponseCache
    secret: bytes
    metrics: CacheMetrics = field(default_factory=CacheMetrics)

    def key(self, tenant_id: int, asked: bytes) -> bytes:
        """Return the key of what a tenant asked."""
        message = b"key\0%d\0%b" % (tenant_id, asked)
        return hmac.digest(self.secret, message, "sha256")

    async def get(self, tenant_id: int, key: bytes) -> bytes | None:
        """Return the answer under a key; None where there is none of this tenant's."""
        sealed = await self.cache.get(key)
        if sealed is not None:
            try:
                answer = unseal(sealed, key=self._seal(tenant_id), context=key)
            except SealBrokenError:
                log.warning("cached_answer_broken", tenant_id=tenant_id)
            else:
                self.metrics.hits += 1
                return answer
        self.metrics.misses += 1
        return None

    def put(self, tenant_id: int, key: bytes, answer: bytes, *, ttl_s: int) -> None:
        """Keep an answer for so many seconds."""
        sealed = seal(answer, key=self._seal(tenant_id), context=key)
        self.cache.put(key, sealed, ttl_s=ttl_s)
        self.metrics.kept += 1

    def _seal(self, tenant_id: int) -> bytes:
        return hmac.digest(self.secret, b"seal\0%d" % tenant_id, "sha256")
