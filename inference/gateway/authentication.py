"""Who calls: checksum, HMAC, then the snapshot in memory; nothing is asked of anybody.

Failure: a key that is unknown here is refused, with one message for every reason, so
that an answer does not tell revoked keys from made-up ones.
"""

from collections.abc import Callable

from inference.gateway.http import HttpRequest
from inference.routing.snapshot import Snapshot
from kit import api_keys
from kit.contracts import Caller
from kit.errors import InvalidApiKey, PermissionDenied, ServiceUnavailable

_CHALLENGE = {"www-authenticate": "Bearer"}


class Authenticator:
    """Finds the caller of a request."""

    def __init__(
        self,
        *,
        snapshot: Snapshot,
        secret: bytes,
        now_us: Callable[[], int],
        has_started: Callable[[], bool],
    ) -> None:
        self._has_started = has_started
        self._snapshot = snapshot
        self._secret = secret
        self._now_us = now_us

    def caller(self, http: HttpRequest) -> Caller:
        """Return who calls.

        Raises `InvalidApiKey` without a valid key, `PermissionDenied` for a suspended
        tenant, `ServiceUnavailable` before keys and prices were read for the first
        time.
        """
        if not self._has_started():
            raise ServiceUnavailable(
                "The gateway is starting. Try again shortly.",
                headers={"retry-after": "1"},
            )
        scheme, _, key = http.header(b"authorization").partition(" ")
        key = key.strip()
        if not key or scheme.lower() != "bearer":
            raise InvalidApiKey(
                "Send your API key in the header 'Authorization: Bearer tg_…'.",
                headers=_CHALLENGE,
            )
        if not api_keys.is_well_formed(key):
            raise _unknown()
        entry = self._snapshot.keys.get(api_keys.digest(key, self._secret))
        if entry is None:
            raise _unknown()
        if (
            entry.expires_at is not None
            and entry.expires_at * 1_000_000 <= self._now_us()
        ):
            raise _unknown()
        tenant = self._snapshot.tenants.get(entry.tenant_id)
        if tenant is None:
            raise _unknown()
        if not tenant.active:
            raise PermissionDenied(
                "This account is suspended. Ask the operator to restore it.",
                code="tenant_suspended",
            )
        return Caller(
            tenant_id=entry.tenant_id,
            project_id=entry.project_id,
            api_key_id=entry.api_key_id,
            currency=tenant.currency,
        )


def _unknown() -> InvalidApiKey:
    return InvalidApiKey(
        "The API key is not valid: mistyped, revoked or expired.", headers=_CHALLENGE
    )
