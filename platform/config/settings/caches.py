"""Caches: throttles, which may be forgotten at any moment, and what sign-in remembers.

Throttles are shared where there is a Redis. Failure: without one each process keeps its
own, so requests count per process; one that does not answer is given up on soon.

Which codes were used and how many failed must outlive a restart and hold for every
process: the default cache is a table, which only the operator role can read.
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


CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "config_cache",
        # Beyond it entries go that have not expired: more than a lock-out's worth.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    "throttles": _cache("throttles"),
}
