"""Media of a chat that is elsewhere: fetched here, guarded, and sent on as data.

Off unless operators name hosts. A host's name is looked up once, every address that it
leads to must be a public one or one that operators allow, and the connection is made to
what was checked; the certificate is held against the name all the same. Redirects are
not followed, nothing of the client's is sent along, and what comes must be media of its
kind within bounds of size and time. So no engine fetches anything, and none of what
only this installation can reach can be read through a model.

Failure: `InvalidRequest` that names the reason and never the address, which may be a
secret. Owns: the threads that look names up.
"""

import asyncio
import base64
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cached_property, partial
from typing import Any

import httpx

from inference.openai.media import (
    KINDS,
    PART_BYTES_MAX,
    TEXT_ONLY,
    Media,
    Modality,
    type_of,
)
from inference.openai.requests import GenerationRequest
from inference.routing.snapshot import ModelEntry
from kit.errors import InvalidRequest
from kit.json_values import JsonObject, is_array
from kit.networks import Network
from kit.public_addresses import may_be_called

FETCH_S_MAX = 10.0
# Of one request, and of the whole process: what is fetched is held in memory.
TOTAL_BYTES_MAX = 2 * PART_BYTES_MAX
FETCHES_AT_ONCE = 16
_LOOKUPS_AT_ONCE = 4
_HTTPS = 443
# A name or an address: what else a URL may hold there, readers disagree about.
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_WITH_PORT = re.compile(r":(?:\d+|\*)\Z")

# Returns the addresses of a host and port.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]


class RemoteMedia:
    """Says which media a request may hold, and fetches what is elsewhere.

    `hosts` are patterns such as `images.example.com`, `*.example.com` or `*`, with a
    port where it is not 443. `allowed` are networks beside the public ones.
    """

    def __init__(
        self,
        hosts: Collection[str] = (),
        *,
        allowed: Collection[Network] = (),
        resolve: Resolver | None = None,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._hosts = [host.lower() for host in hosts]
        self._allowed = allowed
        self._resolve = resolve or self._looked_up
        self._given_trust = trust
        self._places = asyncio.Semaphore(FETCHES_AT_ONCE)

    def check(self, media: Media, model: ModelEntry) -> None:
        """Raise `InvalidRequest` for media that the model or the operator refuses."""
        if refused := media.modalities - model.modalities - TEXT_ONLY:
            raise InvalidRequest(
                f"The model '{model.name}' takes no {min(refused)} as input.",
                param="messages",
                code="unsupported_content",
            )
        for text in media.urls:
            self._checked(text)

    async def inlined(self, request: GenerationRequest) -> GenerationRequest:
        """Return the request with data in place of every address."""
        fetched: dict[tuple[str, Modality], str] = {}
        left = TOTAL_BYTES_MAX
        messages: list[JsonObject] = []
        for message in request.payload["messages"]:
            content = message.get("content")
            if not is_array(content):
                messages.append(message)
                continue
            parts: list[Any] = []
            for part in content:
                remote = _remote(part, request.media)
                if remote is None:
                    parts.append(part)
                    continue
                if remote not in fetched:
                    data, kind = await self._fetched(*remote, bytes_max=left)
                    left -= len(data)
                    text = base64.b64encode(data).decode()
                    fetched[remote] = f"data:{kind};base64,{text}"
                parts.append(_with_url(part, fetched[remote]))
            messages.append({**message, "content": parts})
        return replace(
            request,
            payload={**request.payload, "messages": messages},
            media=replace(request.media, urls=()),
        )

    def _checked(self, text: str) -> httpx.URL:
        """Read an address; raises unless its host may be asked."""
        if not self._hosts:
            raise _refused("media is taken as data only: send 'data:TYPE;base64,…'")
        try:
            url = httpx.URL(text)
        except httpx.InvalidURL:
            raise _refused("an address of media cannot be read") from None
        host = _host(url).rstrip(".")
        port = url.port or _HTTPS
        name = host if port == _HTTPS else f"{host}:{port}"
        patterns = [
            each
            for each in self._hosts
            # One that says nothing of ports, such as `*`, is of the usual one.
            if port == _HTTPS or _WITH_PORT.search(each)
        ]
        if url.scheme != "https" or url.userinfo or not _HOST.fullmatch(host):
            raise _refused("an address of media must be https, without a user")
        if not any(fnmatchcase(name, pattern) for pattern in patterns):
            raise _refused("media is not fetched from this host")
        return url

    async def _fetched(
        self, text: str, modality: Modality, *, bytes_max: int
    ) -> tuple[bytes, str]:
        """Return what is at an address, and of which type it is."""
        url = self._checked(text)
        try:
            async with self._places, asyncio.timeout(FETCH_S_MAX):
                address = await self._address(url)
                data = await self._read(
                    url, address, bytes_max=min(bytes_max, PART_BYTES_MAX)
                )
        except TimeoutError:
            raise _refused("the host of media did not answer in time") from None
        except httpx.HTTPError:
            raise _refused("the host of media could not be read from") from None
        kind = type_of(data[:64], modality)
        if kind is None:
            raise _refused(
                f"what is at an address is no {modality.value} that is taken"
            )
        return data, kind

    async def _address(self, url: httpx.URL) -> str:
        """Look a host up once; all its addresses may be called, or none is."""
        try:
            found = await self._resolve(_host(url), url.port or _HTTPS)
        except (OSError, UnicodeError):
            found = ()
        if not found:
            raise _refused("the host of media is not known")
        if not all(may_be_called(each, allowed=self._allowed) for each in found):
            raise _refused("media is not fetched from this host")
        return found[0]

    async def _read(self, url: httpx.URL, address: str, *, bytes_max: int) -> bytes:
        """Read what a host says, at the address that was checked."""
        # A client of its own: by a connection that is kept, another host at the same
        # address would be asked under a certificate that is not its own.
        async with (
            httpx.AsyncClient(
                verify=self._trust, trust_env=False, timeout=FETCH_S_MAX
            ) as client,
            client.stream(
                "GET",
                url.copy_with(host=address),
                headers={
                    "host": url.netloc.decode(),
                    "accept": "image/*, video/*",
                    "accept-encoding": "identity",
                    "user-agent": "Tollgate-Media/1",
                    "connection": "close",
                },
                extensions={"sni_hostname": _host(url)},
                follow_redirects=False,
            ) as response,
        ):
            if not response.is_success:
                raise _refused("the host of media did not give it")
            parts: list[bytes] = []
            size = 0
            async for part in response.aiter_raw():
                size += len(part)
                if size > bytes_max:
                    raise _refused(f"media is larger than {bytes_max:,} bytes")
                parts.append(part)
            return b"".join(parts)

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return self._given_trust or ssl.create_default_context()

    @cached_property
    def _lookups(self) -> ThreadPoolExecutor:
        # Of its own: a name server that never answers holds up nobody else.
        return ThreadPoolExecutor(_LOOKUPS_AT_ONCE, "media-lookup")

    async def _looked_up(self, host: str, port: int) -> Sequence[str]:
        """Ask the system's resolver, once."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._lookups, ask)
        return tuple(dict.fromkeys(str(each[4][0]) for each in found))


def _host(url: httpx.URL) -> str:
    """Return the host as it goes over the wire."""
    return url.raw_host.decode("ascii").lower()


def _remote(part: JsonObject, media: Media) -> tuple[str, Modality] | None:
    """Return the address that a part names, and of what, if it names one."""
    modality = KINDS.get(part["type"])
    if modality is None or modality is Modality.AUDIO:
        return None
    url: str = part[part["type"]]["url"]
    return (url, modality) if url in media.urls else None


def _with_url(part: JsonObject, url: str) -> JsonObject:
    name: str = part["type"]
    return {**part, name: {**part[name], "url": url}}


def _refused(reason: str) -> InvalidRequest:
    message = f"{reason[0].upper()}{reason[1:]}."
    return InvalidRequest(message, param="messages", code="unsupported_content")


NOTHING_REMOTE = RemoteMedia()
