"""Caches: what may be forgotten at any moment. Shared where there is a Redis.

Failure: without one each process keeps its own, so what counts in it (requests, failed
sign-ins) counts per process. One that does not answer is given up on soon.
"""

from typing import Any

from config.env import WebSettings, load

_web = load(WebSettings)

_PATIENCE_S = 0.5
_LOCAL_ENTRIES_MAX = 50_000


def _cache(prefix: str) -> dict[str, Any]:
    """Return a cache whose keys meet no other's."""
    if not _web.redis_url:
        return {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": prefix,
            "KEY_PREFIX": prefix,
            "OPTIONS": {"MAX_ENTRIES": _LOCAL_ENTRIES_MAX},
        }
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": _web.redis_url,
        "KEY_PREFIX": prefix,
        "OPTIONS": {
            "socket_timeout": _PATIENCE_S,
            "socket_connect_timeout": _PATIENCE_S,
        },
    }


CACHES = {"default": _cache("web"), "throttles": _cache("throttles")}
