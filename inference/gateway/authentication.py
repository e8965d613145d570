"""Who calls: checksum, HMAC, then the snapshot in memory; nothing is asked of anybody.

Failure: a key that is unknown here is refused, with one message and one amount of work
for every reason, so that neither tells revoked keys from made-up ones. What a valid key
lacks is said, but to an address that it is not kept from.
"""

from collections.abc import Callable

from inference.gateway.client_address import Proxies
from inference.gateway.http import HttpRequest
from inference.routing.snapshot import KeyEntry, Snapshot
from kit import api_keys
from kit.contracts import Caller
from kit.errors import InvalidApiKey, PermissionDenied, ServiceUnavailable
from kit.networks import lies_within
from kit.scopes import Scope

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
        proxies: Proxies,
    ) -> None:
        self._has_started = has_started
        self._proxies = proxies
        self._snapshot = snapshot
        self._secret = secret
        self._now_us = now_us

    def caller(self, http: HttpRequest, *, needs: Scope) -> Caller:
        """Return who calls.

        Raises `InvalidApiKey` without a valid key, `PermissionDenied` from outside of
        the key's networks, for a suspended tenant and without the scope, and
        `ServiceUnavailable` before keys and prices were read for the first time.
        """
        if not self._has_started():
            raise ServiceUnavailable(
                "The gateway is starting. Try again shortly.",
                headers={"retry-after": "1"},
            )
        entry = self._entry(http)
        tenant = self._snapshot.tenants.get(entry.tenant_id)
        if tenant is None:
            raise _unknown()
        caller = http.caller = Caller(
            tenant_id=entry.tenant_id,
            project_id=entry.project_id,
            api_key_id=entry.api_key_id,
            currency=tenant.currency,
            models=entry.models,
        )
        if entry.networks:
            self._check_address(http, entry)
        if not tenant.active:
            raise PermissionDenied(
                "This account is suspended. Ask the operator to restore it.",
                code="tenant_suspended",
            )
        if needs not in entry.scopes:
            raise PermissionDenied(
                f"This takes the scope '{needs}', which the API key does not hold. Use"
                " a key that does.",
                code="scope_missing",
            )
        return caller

    def _entry(self, http: HttpRequest) -> KeyEntry:
        """Return what is known of the key; raises `InvalidApiKey`."""
        key = _key(http)
        if not api_keys.is_well_formed(key):
            raise _unknown()
        entry = self._snapshot.keys.get(api_keys.digest(key, self._secret))
        if entry is None:
            raise _unknown()
        if entry.expires_at_us is not None and entry.expires_at_us <= self._now_us():
            raise _unknown()
        return entry

    def _check_address(self, http: HttpRequest, entry: KeyEntry) -> None:
        address = self._proxies.client(http)
        if not lies_within(address, entry.networks):
            raise PermissionDenied(
                f"This API key may not be used from {address or 'where you are'}. Call"
                " from a network that it allows.",
                code="ip_not_allowed",
            )


def _key(http: HttpRequest) -> str:
    """Return the key that was sent.

    `x-api-key`, as Anthropic's SDKs have it, counts where there is no `Authorization`:
    with both, it may be meant for a proxy in between.
    """
    authorization = http.header(b"authorization")
    if not authorization and (key := http.header(b"x-api-key").strip()):
        return key
    scheme, _, key = authorization.partition(" ")
    key = key.strip()
    if not key or scheme.lower() != "bearer":
        raise InvalidApiKey(
            "Send your API key in the header 'Authorization: Bearer tg_…', or in"
            " 'x-api-key'.",
            headers=_CHALLENGE,
        )
    return key


def _unknown() -> InvalidApiKey:
    return InvalidApiKey(
        "The API key is not valid: mistyped, disabled, revoked or expired.",
        headers=_CHALLENGE,
    )
