"""OAuth's client credentials, as Microsoft Entra takes them: a secret for a token."""

from collections.abc import Mapping
from hashlib import sha256

from inference.engines.auth.tokens import FETCH_S_MAX, Token, TokenCache
from inference.engines.backend import EngineCall
from inference.engines.origin import EngineUnreachableError, Origin
from kit.json_values import is_object

# Who does not say how long a token lives gives one for an hour, or less.
LIVES_S_DEFAULT = 300.0
LIVES_S_MAX = 86_400.0


class TokenRefusedError(Exception):
    """Whoever hands out tokens gave none."""


class ClientCredentials:
    """A bearer token for the client's id and secret; the credential is the secret."""

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
        if not credential or "token_url" not in options:
            raise EngineUnreachableError("the replica names no secret for its tokens")
        form = {
            "grant_type": "client_credentials",
            "client_id": options.get("client_id", ""),
            "scope": options.get("scope", ""),
            "client_secret": credential,
        }
        url = options["token_url"]
        secret = sha256(credential.encode()).digest()
        key = (url, form["client_id"], form["scope"], secret)
        token = await self._tokens.token(key, lambda: fetch(url, form))
        return {"authorization": f"Bearer {token}"}


def fetch(url: str, form: Mapping[str, str]) -> Token:
    """Ask for a token; raises for anything but one."""
    import httpx  # noqa: PLC0415 - only where an engine wants it

    answer = httpx.post(
        url,
        data=dict(form),
        timeout=FETCH_S_MAX,
        trust_env=False,
        follow_redirects=False,
    )
    said: object = answer.json() if answer.status_code == 200 else None
    token = said.get("access_token") if is_object(said) else None
    if not is_object(said) or not isinstance(token, str) or not is_token(token):
        raise TokenRefusedError
    return Token(token, _lives_s(said.get("expires_in")))


def is_token(text: str) -> bool:
    """Tell whether a text can go into a header."""
    return bool(text) and text.isascii() and text.isprintable()


def _lives_s(said: object) -> float:
    # Some write the number as text.
    if isinstance(said, str) and said.isdecimal():
        said = int(said)
    if isinstance(said, int | float) and said > 0:
        return min(float(said), LIVES_S_MAX)
    return LIVES_S_DEFAULT
