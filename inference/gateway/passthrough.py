"""Pass on to Django what is not the data plane's, so that everything has one address.

Forwarding headers of the client are dropped and ours written: Django trusts them
because no other way leads to it. They name one address, the client's; what a client
says came before it is not passed on. Bodies go up whole, within the gateway's limit,
and come down as they are.
"""

from functools import partial

from inference.engines.client import EnginePool
from inference.engines.exchange import Exchange
from inference.engines.origin import EngineError, EngineUnreachableError, Origin
from inference.gateway.client_address import Proxies
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
# Only these may be sent again when a kept connection turns out to be gone.
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Their length tells of another answer's body.
_BODILESS = frozenset({204, 304})
_FORWARDING = (b"x-forwarded-", b"forwarded", b"x-real-ip")


class Passthrough:
    """Forwards requests to the web process."""

    def __init__(
        self,
        *,
        pool: EnginePool,
        web_url: str,
        body_bytes_max: int,
        proxies: Proxies,
    ) -> None:
        self._pool = pool
        self._proxies = proxies
        self._origin = Origin.parse(web_url) if web_url else None
        self._body_bytes_max = body_bytes_max

    async def serve(self, http: HttpRequest) -> None:
        """Forward one request and its answer."""
        if self._origin is None:
            raise NotFound("There is nothing at this address.")
        body = await http.body(bytes_max=self._body_bytes_max)
        try:
            exchange = await self._answered(self._origin, http, body)
        except EngineUnreachableError:
            raise ServiceUnavailable(
                "The web process is not reachable. Try again shortly.",
                headers={"retry-after": "2"},
            ) from None
        except EngineError as error:
            raise EngineFailed("The web process failed to answer.") from error
        try:
            await http.start(exchange.status, _down(exchange))
            http.downstream.send_head()
            while data := await exchange.read():
                await http.write(data)
                await http.downstream.drained()
            await http.write(b"", last=True)
        except EngineError as error:
            raise EngineFailed("The web process failed while answering.") from error
        finally:
            http.downstream.on_lost(None)
            exchange.close()

    async def _answered(
        self, origin: Origin, http: HttpRequest, body: bytes
    ) -> Exchange:
        """Send the request and read the status; replace a kept connection once."""
        target = http.downstream.head.target.decode("latin-1")
        while True:
            exchange = await self._pool.request(
                origin,
                method=http.method,
                path=target,
                headers=self._up(http),
                body=body,
                fresh=http.method not in _SAFE,
            )
            was_kept = exchange.is_reused
            interrupt = exchange.interrupter()
            http.downstream.on_lost(partial(interrupt, ClientGoneError()))
            try:
                await exchange.head()
            except BaseException as error:
                exchange.close()
                if was_kept and isinstance(error, EngineUnreachableError):
                    continue
                raise
            return exchange

    def _up(self, http: HttpRequest) -> dict[str, str]:
        """Return the headers for the web process; repeated ones are joined."""
        headers: dict[str, str] = {}
        for name, value in http.headers:
            if name in _HOP_BY_HOP or name.startswith(_FORWARDING) or b"_" in name:
                continue
            key, text = name.decode("latin-1"), value.decode("latin-1")
            joiner = "; " if name == b"cookie" else ", "
            headers[key] = f"{headers[key]}{joiner}{text}" if key in headers else text
        # TLS ends in front of us.
        scheme = "http"
        if self._proxies.are_in_front(http):
            scheme = http.header(b"x-forwarded-proto") or scheme
        headers["x-forwarded-for"] = str(self._proxies.client(http) or "unknown")
        headers["x-forwarded-proto"] = scheme
        headers["x-request-id"] = http.request_id
        return headers


def _down(exchange: Exchange) -> list[tuple[bytes, bytes]]:
    dropped = _NOT_DOWN
    if exchange.status in _BODILESS:
        dropped |= {b"content-length"}
    return [(name, value) for name, value in exchange.headers if name not in dropped]
