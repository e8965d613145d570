"""Google's access tokens: of a service account's JSON, or of the host's own identity.

The host's own is what Google's libraries find (a variable, a file, the metadata server)
and goes to Google's addresses alone: whoever may name an engine's address must not be
able to have it sent anywhere else.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Protocol, cast

import orjson

from inference.engines.auth.oauth import LIVES_S_DEFAULT, TokenRefusedError, is_token
from inference.engines.auth.tokens import FETCH_S_MAX, Token, TokenCache
from inference.engines.backend import EngineCall
from inference.engines.origin import EngineUnreachableError, Origin
from inference.engines.presets import is_google

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class GoogleToken:
    """A bearer token; the credential is a service account's key in JSON, or nothing."""

    def __init__(self, tokens: TokenCache | None = None) -> None:
        self._tokens = tokens or TokenCache()

    async def headers(
        self,
        origin: Origin,
        call: EngineCall,
        credential: str,
        options: Mapping[str, str],
    ) -> Mapping[str, str]:
        """Return the header."""
        if not credential and not (origin.tls and is_google(origin.host)):
            raise EngineUnreachableError("the host's own token goes to Google only")
        scope = options.get("token_scope", SCOPE)
        key = (scope, sha256(credential.encode()).digest())
        token = await self._tokens.token(key, lambda: fetch(credential, scope))
        return {"authorization": f"Bearer {token}"}


class _Credentials(Protocol):
    token: str | None
    expiry: datetime | None

    def refresh(self, request: object) -> None: ...


def fetch(credential: str, scope: str) -> Token:
    """Ask Google for a token; raises for anything but one. Blocks."""
    credentials = _credentials(credential, scope)
    credentials.refresh(_request)
    token = credentials.token or ""
    if not is_token(token):
        raise TokenRefusedError
    lives_s = LIVES_S_DEFAULT
    if credentials.expiry is not None:
        # Google's library says it in UTC without saying so.
        left = credentials.expiry.replace(tzinfo=UTC) - datetime.now(UTC)
        lives_s = left.total_seconds()
    return Token(token, lives_s)


def _credentials(credential: str, scope: str) -> _Credentials:
    # Loaded only where an engine wants it: it costs every start a quarter of a second.
    import google.auth  # noqa: PLC0415
    from google.oauth2 import service_account  # noqa: PLC0415

    if not credential:
        found, _ = cast("Any", google.auth).default(scopes=[scope], request=_request)
        return cast("_Credentials", found)
    made = cast("Any", service_account.Credentials).from_service_account_info(
        orjson.loads(credential), scopes=[scope]
    )
    return cast("_Credentials", made)


class _Response:
    """An answer as Google's library wants to see it."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data


def _request(
    url: str,
    method: str = "GET",
    body: bytes | str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: object,
) -> _Response:
    """Make a call for Google's library, with the client that we have anyway."""
    import httpx  # noqa: PLC0415
    from google.auth.exceptions import TransportError  # noqa: PLC0415

    try:
        answer = httpx.request(
            method,
            url,
            content=body,
            headers=headers,
            timeout=min(timeout or FETCH_S_MAX, FETCH_S_MAX),
            trust_env=False,
            follow_redirects=False,
        )
    except httpx.HTTPError as error:
        raise cast("Any", TransportError)(type(error).__name__) from None
    return _Response(answer.status_code, answer.headers, answer.content)
