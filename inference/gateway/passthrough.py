"""Pass on to Django what is not the data plane's, so that everything has one address.

Forwarding headers of the client are dropped and ours written: Django trusts them
because no other way leads to it. Bodies go up whole, within the gateway's limit, and
come down as they are.
"""

from collections.abc import Sequence

from inference.engines.client import (
    EngineError,
    EnginePool,
    EngineUnreachableError,
    Origin,
)
from inference.gateway.connection import ClientGoneError
from inference.gateway.http import HttpRequest
from kit.errors import EngineFailed, NotFound, ServiceUnavailable

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# The length holds downwards; what this process writes itself is not repeated.
_NOT_DOWN = (_HOP_BY_HOP - {b"content-length"}) | {b"date", b"server", b"x-request-id"}
_FORWARDING = (b"x-forwarded-", b"forwarded", b"x-real-ip")


class Passthrough:
    """Forwards requests to the web process."""

    def __init__(self, *, pool: EnginePool, web_url: str, body_bytes_max: int) -> None:
        self._pool = pool
        self._origin = Origin.parse(web_url) if web_url else None
        self._body_bytes_max = body_bytes_max

    async def serve(self, http: HttpRequest) -> None:
        """Forward one request and its answer."""
        if self._origin is None:
            raise NotFound("There is nothing at this address.")
        body = await http.body(bytes_max=self._body_bytes_max)
        target = http.scope["raw_path"].decode("latin-1")
        if query := http.scope["query_string"]:
            target += "?" + query.decode("latin-1")
        for _ in range(2):
            exchange = await self._send(http, target, body)
            was_kept = exchange.is_reused
            http.downstream.on_lost(lambda: exchange.interrupt(ClientGoneError()))  # noqa: B023
            try:
                status = await exchange.head()
                await http.start(status, _down(exchange.headers))
                while data := await exchange.read():
                    await http.write(data)
                    await http.downstream.drained()
                await http.write(b"", last=True)
            except EngineUnreachableError:
                if was_kept and not http.is_started:
                    continue
                raise _unavailable() from None
            except EngineError as error:
                raise EngineFailed("The web process failed to answer.") from error
            finally:
                http.downstream.on_lost(None)
                exchange.close()
            return

    async def _send(self, http: HttpRequest, target: str, body: bytes):  # type: ignore[no-untyped-def]
        if self._origin is None:
            raise NotFound("There is nothing at this address.")
        try:
            return await self._pool.request(
                self._origin,
                method=http.method,
                path=target,
                headers=_up(http),
                body=body,
            )
        except EngineUnreachableError:
            raise _unavailable() from None


def _unavailable() -> ServiceUnavailable:
    return ServiceUnavailable(
        "The web process is not reachable. Try again shortly.",
        headers={"retry-after": "2"},
    )


def _up(http: HttpRequest) -> dict[str, str]:
    """Return the headers for the web process; repeated ones are joined."""
    headers: dict[str, str] = {}
    for name, value in http.scope["headers"]:
        if name in _HOP_BY_HOP or name.startswith(_FORWARDING) or b"_" in name:
            continue
        key, text = name.decode("latin-1"), value.decode("latin-1")
        joiner = "; " if name == b"cookie" else ", "
        headers[key] = f"{headers[key]}{joiner}{text}" if key in headers else text
    client = http.scope.get("client")
    headers["x-forwarded-for"] = client[0] if client else "unknown"
    headers["x-forwarded-proto"] = http.scope["scheme"]
    headers["x-request-id"] = http.request_id
    return headers


def _down(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name not in _NOT_DOWN]
