"""One salt a tenant for engines' prefix caches: what one has asked no other can tell.

Derived, not stored: every gateway says the same of a tenant, and whoever does not hold
the secret can say none. In 43 characters of base64url, which every vLLM takes.
"""

import hmac
from base64 import urlsafe_b64encode


class CacheSalts:
    """Salts by tenant, under one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def of(self, tenant_id: int) -> str:
        """Return the tenant's salt."""
        digest = hmac.digest(self._secret, str(tenant_id).encode(), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()
