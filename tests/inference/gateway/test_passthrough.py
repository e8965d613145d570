"""What is not ours goes to the web process, and comes back as it was."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from tests.inference.engines.scripted import (
    EngineSide,
    Request,
    ScriptedEngine,
    scripted_engine,
)
from tests.inference.engines.wire import chunk
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway, running_gateway

Answering = Callable[[EngineSide, Request], None]


@dataclass(slots=True)
class Web:
    """A web process whose answers a test chooses, and the gateway before it."""

    engine: ScriptedEngine
    gateway: RunningGateway
    acts: dict[str, Answering] = field(default_factory=dict)

    def on(self, path: str, act: Answering | bytes) -> None:
        """Answer this path so."""
        if isinstance(act, bytes):
            data = act
            self.acts[path] = lambda side, _: side.send(data)
        else:
            self.acts[path] = act

    def seen(self, target: str) -> Request:
        """Return the only request for this target."""
        [request] = [each for each in self.engine.requests if each.target == target]
        return request


@pytest.fixture(scope="module")
def _web() -> Iterator[Web]:
    acts: dict[str, Answering] = {}

    def script(side: EngineSide) -> None:
        while request := side.request():
            acts[request.target.partition("?")[0]](side, request)

    with (
        scripted_engine(script) as engine,
        running_gateway(web_url=engine.url) as gateway,
    ):
        yield Web(engine, gateway, acts)


@pytest.fixture
def web(_web: Web) -> Web:
    """Give the web process without a memory of the test before."""
    _web.acts.clear()
    _web.engine.requests.clear()
    return _web


def plain(body: bytes, *headers: bytes, status: int = 200) -> bytes:
    """Return an answer with these headers."""
    lines = [b"HTTP/1.1 %d X" % status, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def test_method_target_and_body_arrive_as_they_were(web: Web) -> None:
    web.on("/a%20b/c", plain(b"done", b"content-type: text/plain"))
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        target = f"/a%20b/c?x=%2F&{method}"
        content = b"body" if method in {"POST", "PUT", "PATCH"} else None
        answer = web.gateway.client.request(method, target, content=content)
        assert (answer.status_code, answer.content) == (200, b"done")
        request = web.seen(target)
        assert (request.method, request.body) == (method, content or b"")


def test_head_gets_the_headers_only_and_leaves_the_connection_usable(web: Web) -> None:
    head = b"HTTP/1.1 200 X\r\ncontent-length: 4321\r\n\r\n"
    web.on("/page", head)
    answer = web.gateway.client.head("/page")
    assert (answer.headers["content-length"], answer.content) == ("4321", b"")
    web.on("/page", plain(b"whole"))
    assert web.gateway.client.get("/page").content == b"whole"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_may_tell_of_a_length(web: Web, status: int) -> None:
    web.on("/same", b"HTTP/1.1 %d X\r\ncontent-length: 99\r\netag: e\r\n\r\n" % status)
    for _ in range(2):
        answer = web.gateway.client.get("/same")
        assert (answer.status_code, answer.headers["etag"]) == (status, "e")


def test_repeated_headers_and_cookies_survive_both_ways(web: Web) -> None:
    web.on(
        "/", plain(b"", b"set-cookie: a=1", b"set-cookie: b=2; path=/", b"x-own: \xe9")
    )
    sent = [("cookie", "c=3"), ("cookie", "d=4"), ("accept", "x"), ("accept", "y")]
    with httpx.Client(base_url=web.gateway.url) as client:
        answer = client.get("/", headers=[*sent])
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2; path=/"]
    request = web.seen("/")
    assert request.header("cookie") == "c=3; d=4"
    assert "x, y" in (request.header("accept") or "")


def test_headers_that_speak_for_the_gateway_are_its_own(web: Web) -> None:
    web.on("/", plain(b"", b"server: secret/1", b"x-request-id: theirs", b"date: old"))
    forged = {
        "x-forwarded-for": "6.6.6.6",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "evil",
        "forwarded": "for=6.6.6.6",
        "x-real-ip": "6.6.6.6",
        "x-request-id": "forged",
        "x_forwarded_for": "6.6.6.6",
        "te": "trailers",
    }
    answer = web.gateway.client.get("/", headers=forged)
    request = web.seen("/")
    assert request.header("x-forwarded-for") == "127.0.0.1"
    assert request.header("x-forwarded-proto") == "http"
    for name in ("x-forwarded-host", "forwarded", "x-real-ip", "x_forwarded_for", "te"):
        assert request.header(name) is None
    assert request.header("host") == f"127.0.0.1:{web.gateway.port}"
    assert request.header("x-request-id") == answer.headers["x-request-id"] != "forged"
    assert "server" not in answer.headers
    assert len(answer.headers.get_list("x-request-id")) == 1
    assert len(answer.headers.get_list("date")) == 1


def test_a_proxy_that_is_trusted_may_speak_for_its_client(web: Web) -> None:
    web.on("/", plain(b""))
    with running_gateway(
        web_url=web.engine.url, trusted_proxies="127.0.0.1"
    ) as gateway:
        told = {"x-forwarded-for": "6.6.6.6, 9.9.9.9", "x-forwarded-proto": "https"}
        gateway.client.get("/", headers=told)
    request = web.seen("/")
    assert request.header("x-forwarded-for") == "9.9.9.9"
    assert request.header("x-forwarded-proto") == "https"


def test_a_body_in_chunks_or_up_to_the_end_comes_whole(web: Web) -> None:
    web.on(
        "/chunks",
        b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n"
        + chunk(b"one ") + chunk(b"two") + b"0\r\n\r\n",
    )  # fmt: skip

    def until_the_end(side: EngineSide, _: Request) -> None:
        side.send(b"HTTP/1.1 200 X\r\n\r\nuntil ", b"the end")
        side.sock.shutdown(socket.SHUT_RDWR)

    web.on("/end", until_the_end)
    assert web.gateway.client.get("/chunks").content == b"one two"
    assert web.gateway.client.get("/end").content == b"until the end"


@pytest.mark.parametrize(
    "framing", ["content-length: 100", "transfer-encoding: chunked"]
)
def test_a_page_that_breaks_off_does_not_look_whole(web: Web, framing: str) -> None:
    def break_off(side: EngineSide, _: Request) -> None:
        part = chunk(b"half a page") if "chunked" in framing else b"half a page"
        side.send(f"HTTP/1.1 200 X\r\n{framing}\r\n\r\n".encode(), part)
        side.reset()

    web.on("/page", break_off)
    with pytest.raises(httpx.RemoteProtocolError):
        web.gateway.client.get("/page")


def test_a_web_process_that_fails_or_is_gone_is_a_clear_error(web: Web) -> None:
    web.on("/broken", lambda side, _: side.send(b"garbage\r\n\r\n"))
    broken = web.gateway.client.get("/broken")
    assert (broken.status_code, broken.json()["error"]["type"]) == (502, "server_error")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with running_gateway(web_url=url) as gateway:
            gone = gateway.client.get("/")
    assert (gone.status_code, gone.headers["retry-after"]) == (503, "2")


def test_what_may_have_been_done_is_not_done_twice(web: Web) -> None:
    """A kept connection that breaks: reading is tried again, writing is not."""
    web.on("/", plain(b"kept"))
    broken: list[str] = []

    def take_and_break(side: EngineSide, request: Request) -> None:
        if request.method not in broken:
            broken.append(request.method)
            side.reset()
        else:
            side.send(plain(b"again"))

    web.on("/do", take_and_break)
    client = web.gateway.client
    assert client.get("/").content == b"kept"
    assert client.get("/do").content == b"again"
    assert client.get("/").content == b"kept"
    assert client.post("/do", content=b"pay").status_code == 502
    methods = [each.method for each in web.engine.requests if each.target == "/do"]
    assert methods == ["GET", "GET", "POST"]


def test_a_client_that_leaves_ends_the_request_behind(web: Web) -> None:
    left: list[bool] = []
    web.on("/slow", lambda side, _: left.append(side.has_been_left(within_s=10)))
    with RawClient(web.gateway.port, web.gateway.key) as raw:
        raw.sock.sendall(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        wait_until(lambda: web.engine.requests)
    wait_until(lambda: left)
    assert left == [True]


def test_without_a_web_process_there_is_nothing(gateway: RunningGateway) -> None:
    assert gateway.client.get("/admin/").status_code == 404
    assert gateway.client.get("/v2/").status_code == 404


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/files", "/v1/models/a/b"])
def test_the_api_s_own_paths_never_reach_the_web_process(web: Web, path: str) -> None:
    assert web.gateway.client.get(path).status_code == 404
    assert not web.engine.requests


def test_what_follows_a_body_is_no_header(web: Web) -> None:
    web.on("/trailers", plain(b"ok"))
    with RawClient(web.gateway.port, "") as raw:
        raw.sock.sendall(
            b"POST /trailers HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            + chunk(b"body")
            + b"0\r\nx-filtered-in-front: yes\r\nhost: evil\r\n\r\n"
        )
        assert raw.read().status == 200
    request = web.seen("/trailers")
    assert request.body == b"body"
    assert request.header("x-filtered-in-front") is None
    assert request.header("host") == "x"
