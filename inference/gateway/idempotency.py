"""`Idempotency-Key`: of what is asked with one key, one attempt runs at a time.

A key is one API key's, for one endpoint and one body, for 24 hours. A client's retry is
run, held and billed as its own request; the earlier attempt is credited afterwards,
where it ended by a fault of ours. Answers are not kept, so none is replayed. What
clients send leaves this module only as digests under a secret of its own.

Failure: 400 for a key that is none, 422 for another body, 409 while an attempt runs,
503 where nobody can tell. A request without the header passes by all of it.
"""

import hmac
from dataclasses import dataclass

from inference.gateway.http import HttpRequest
from kit.contracts import (
    Admission,
    Caller,
    ClaimVerdict,
    IdempotencyClaims,
    KeyedRequest,
    Surface,
)
from kit.errors import Conflict, IdempotencyKeyReused, InvalidRequest
from kit.handling import Keyed

HEADER = b"idempotency-key"
KEY_CHARS_MAX = 255
RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True)
class Idempotency:
    """Reads keys, and lets one attempt through."""

    claims: IdempotencyClaims
    secret: bytes

    def keyed(
        self, http: HttpRequest, caller: Caller, surface: Surface, body: bytes
    ) -> KeyedRequest | None:
        """Return what a request was asked with, None where it named no key."""
        if not http.has_header(HEADER):
            return None
        key = http.header(HEADER)
        if not (0 < len(key) <= KEY_CHARS_MAX and key.isascii() and key.isprintable()):
            raise InvalidRequest(
                f"An Idempotency-Key is 1 to {KEY_CHARS_MAX} printable characters of"
                " ASCII. A new UUID for each request does.",
                param="Idempotency-Key",
                code="invalid_idempotency_key",
            )
        # Numbers and names hold no colon, so that no two scopes read the same.
        scope = f"{caller.tenant_id}:{caller.api_key_id}:{surface.name}:{key}"
        return KeyedRequest(
            key_digest=self._digest(b"key:" + scope.encode()),
            body_digest=self._digest(b"body:" + body),
        )

    async def claim(self, admission: Admission, keyed: KeyedRequest) -> Keyed:
        """Make a request its key's one attempt; raises `PlatformError` if it is not.

        Return whether it is the first or tries an earlier one again.
        """
        verdict = await self.claims.claim(admission, keyed)
        if verdict is ClaimVerdict.MISMATCH:
            raise IdempotencyKeyReused(
                "The Idempotency-Key was sent before with another body. Use a new key"
                " for a new request.",
                param="Idempotency-Key",
            )
        if verdict is ClaimVerdict.RUNNING:
            raise Conflict(
                "A request with this Idempotency-Key still runs. Try again once it has"
                " ended.",
                param="Idempotency-Key",
                code="idempotency_key_in_use",
                headers={"retry-after": str(RETRY_AFTER_S)},
            )
        return Keyed.RETRY if verdict is ClaimVerdict.RETRY else Keyed.FIRST

    def _digest(self, content: bytes) -> bytes:
        return hmac.digest(self.secret, content, "sha256")
