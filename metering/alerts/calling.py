"""Call an endpoint: look its name up once, check every address, connect to one of them.

The name is looked up here and the connection is made to what was checked, so that an
answer which changes in between leads nowhere. The certificate is held against the name
all the same. Redirects are not followed, proxies of the environment are not asked, and
of the answer nothing but its status and `retry-after` is taken.

Failure: whatever goes wrong is an `Answer` with its reason, never an exception; the
whole call ends within `TIMEOUT_S`.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import httpx
import structlog

from kit.networks import Network
from kit.public_addresses import is_loopback, may_be_called

TIMEOUT_S = 10.0
ANSWER_BYTES_MAX = 1024
_LOOKUPS_AT_ONCE = 16
_PORTS = {"https": 443, "http": 80}

log = structlog.get_logger(__name__)

# Returns the addresses of a host and port.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent to whom."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a call: a status, or the reason why there is none."""

    status: int | None = None
    problem: str = ""
    retry_after_s: int = 0
    took_ms: int | None = field(default=None, compare=False)

    @property
    def is_success(self) -> bool:
        """Tell whether the endpoint has taken it."""
        return self.status is not None and httpx.codes.is_success(self.status)


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom calls may reach, and by what certificates.

    `allowed` are networks beside the public ones. Plain http goes to this machine
    alone, and only where `http_loopback` says so.
    """

    allowed: Collection[Network] = ()
    http_loopback: bool = False
    trust: ssl.SSLContext | None = None
    resolve: Resolver | None = None


class _UnreachableError(Exception):
    """There is no address that may be called."""


def call_all(calls: Sequence[Call], *, reach: Reach) -> list[Answer]:
    """Make the calls at the same time; return their answers in the same order."""
    return asyncio.run(_call_all(calls, reach))


async def _call_all(calls: Sequence[Call], reach: Reach) -> list[Answer]:
    trust = reach.trust or ssl.create_default_context()
    # Of its own: a name server that never answers is not waited for at the end.
    lookups = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, "webhook-lookup")
    resolve = reach.resolve or partial(_looked_up, lookups)
    try:
        return await asyncio.gather(
            *(_timed(each, reach, resolve, trust) for each in calls)
        )
    finally:
        lookups.shutdown(wait=False, cancel_futures=True)


async def _timed(
    call: Call, reach: Reach, resolve: Resolver, trust: ssl.SSLContext
) -> Answer:
    started = time.monotonic()
    answer = await _answer(call, reach, resolve, trust)
    return replace(answer, took_ms=int((time.monotonic() - started) * 1000))


async def _answer(
    call: Call, reach: Reach, resolve: Resolver, trust: ssl.SSLContext
) -> Answer:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            url = httpx.URL(call.url)
            addresses = await _checked(url, reach, resolve)
            return await _first_answer(call, url, addresses, trust)
    except TimeoutError:
        return Answer(problem="it did not answer in time")
    except _UnreachableError as refused:
        return Answer(problem=str(refused))
    except httpx.InvalidURL:
        return Answer(problem="its address cannot be read")
    except httpx.HTTPError as error:
        return Answer(problem=f"the connection failed ({_reason(error)})")
    except Exception as error:
        # A bug, and of this call alone: the others of the batch go out.
        log.exception("webhook_not_called", error=type(error).__name__)
        return Answer(problem="it could not be called")


async def _checked(url: httpx.URL, reach: Reach, resolve: Resolver) -> Sequence[str]:
    """Return the addresses of a URL; all of them may be called, or none is."""
    port = url.port or _PORTS.get(url.scheme, 0)
    try:
        found = await resolve(url.host, port)
    except (OSError, UnicodeError):
        found = ()
    if not found:
        raise _UnreachableError("its name leads nowhere")
    if url.scheme == "http":
        is_fine = reach.http_loopback and all(map(is_loopback, found))
    else:
        is_fine = url.scheme == "https" and all(
            may_be_called(each, allowed=reach.allowed) for each in found
        )
    if not is_fine:
        raise _UnreachableError("its name leads to an address that is not called")
    return found


async def _first_answer(
    call: Call, url: httpx.URL, addresses: Sequence[str], trust: ssl.SSLContext
) -> Answer:
    """Call at the first address that takes the connection."""
    for address in addresses[:-1]:
        try:
            return await _called(call, url, address, trust)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            continue
    return await _called(call, url, addresses[-1], trust)


async def _called(
    call: Call, url: httpx.URL, address: str, trust: ssl.SSLContext
) -> Answer:
    """Call at this address, as the host that the URL names."""
    # A client of its own: by a connection that is kept, another host at the same
    # address would be called under a certificate that is not its own.
    async with (
        httpx.AsyncClient(verify=trust, trust_env=False, timeout=TIMEOUT_S) as client,
        client.stream(
            "POST",
            url.copy_with(host=address),
            content=call.body,
            headers={
                **call.headers,
                "host": url.netloc.decode(),
                "content-type": "application/json",
                "accept": "*/*",
                "accept-encoding": "identity",
                "user-agent": "Tollgate-Webhooks/1",
                "connection": "close",
            },
            extensions={"sni_hostname": url.host},
            follow_redirects=False,
        ) as response,
    ):
        await _pass_over(response)
        return Answer(
            status=response.status_code,
            retry_after_s=_seconds(response.headers.get("retry-after", "")),
        )


async def _pass_over(response: httpx.Response) -> None:
    """Let a short body end; of a long one no more is read."""
    seen = 0
    try:
        async for piece in response.aiter_raw(ANSWER_BYTES_MAX):
            seen += len(piece)
            if seen >= ANSWER_BYTES_MAX:
                return
    except httpx.HTTPError:
        # The status has said it already.
        return


async def _looked_up(
    lookups: ThreadPoolExecutor, host: str, port: int
) -> Sequence[str]:
    """Ask the system's resolver, once."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(lookups, ask)
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


def _reason(error: httpx.HTTPError) -> str:
    """Say what kind of failure it was, and nothing of what the other side wrote."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "certificate or TLS"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def _seconds(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
