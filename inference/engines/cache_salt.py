"""One salt a tenant for engines' prefix caches: what one has asked no other can tell.

Derived, not stored: every gateway says the same of a tenant, and whoever does not hold
the secret can say none. In 43 characters of base64url, which every vLLM takes.
"""

import hmac
from base64 import urlsafe_b64encode
from functools import lru_cache

SALTS_KEPT = 4096


class CacheSalts:
    """Salts by tenant, under one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        # Every request asks, twice.
        self.of = lru_cache(maxsize=SALTS_KEPT)(self._derived)

    def _derived(self, tenant_id: int) -> str:
        """Return the tenant's salt."""
        digest = hmac.digest(self._secret, str(tenant_id).encode(), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()
