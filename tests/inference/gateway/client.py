"""A client of raw sockets, which may leave, dawdle or misbehave at any byte."""

import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import httptools
import orjson

from tests.inference.gateway.polling import PATIENCE_S

_RESET = struct.pack("ii", 1, 0)


class Answer:
    """One answer, as far as it has been read."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self.is_complete = False

    def header(self, name: str) -> str | None:
        """Return a header's value."""
        return dict(self.headers).get(name)

    @property
    def body(self) -> bytes:
        """Return what has come of the body."""
        return bytes(self._body)

    def add(self, part: bytes) -> None:
        """Take in a part of the body."""
        self._body += part

    @property
    def json(self) -> Any:
        """Return the parsed body."""
        return orjson.loads(self.body)

    @property
    def events(self) -> list[bytes]:
        """Return the data of the whole events so far."""
        return [
            block.removeprefix(b"data: ")
            for block in self.body.split(b"\n\n")[:-1]
            # A comment says nothing.
            if not block.startswith(b":")
        ]

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """Return the parsed events, without the end mark."""
        return [orjson.loads(event) for event in self.events if event != b"[DONE]"]

    @property
    def is_done(self) -> bool:
        """Tell whether the end mark came."""
        return self.body.endswith(b"data: [DONE]\n\n")

    @property
    def text(self) -> str:
        """Return the text that a stream of chats has delivered, of all choices."""
        return "".join(
            choice["delta"].get("content") or ""
            if "delta" in choice
            else choice["text"]
            for chunk in self.chunks
            for choice in chunk.get("choices", [])
        )


class RawClient:
    """One connection to a gateway."""

    def __init__(self, port: int, key: str, *, receive_bytes: int | None = None):
        self._key = key
        self.sock = socket.socket()
        if receive_bytes is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers: list[Answer] = []
        self._answer = Answer()
        self._parser = httptools.HttpResponseParser(self)

    def __enter__(self) -> "RawClient":
        """Use the connection for a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.sock.close()

    def chat(self, model: str, *, headers: tuple[str, ...] = (), **fields: Any) -> None:
        """Post a chat and read nothing."""
        messages = [{"role": "user", "content": "one two three"}]
        body = {"model": model, "messages": messages, **fields}
        self.post("/v1/chat/completions", body, headers=headers)

    def post(self, path: str, body: Any, *, headers: tuple[str, ...] = ()) -> None:
        """Post a JSON body and read nothing."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        lines = [
            f"POST {path} HTTP/1.1",
            "host: gateway",
            f"authorization: Bearer {self._key}",
            "content-type: application/json",
            f"content-length: {len(data)}",
            *headers,
        ]
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    def read_until(self, reached: Callable[[Answer], bool]) -> Answer:
        """Read until the present answer is as wanted."""
        answer = self._answer
        deadline = time.monotonic() + PATIENCE_S
        while not reached(answer):
            data = self.sock.recv(65536)
            assert data, f"the connection ended after {answer.body!r}"
            assert time.monotonic() < deadline
            self._parser.feed_data(data)
        return answer

    @property
    def so_far(self) -> Answer:
        """Return what has been read of the present answer, or the one that is over."""
        return self.answers[-1] if self.answers else self._answer

    def read_some(self) -> None:
        """Read a little, whatever it is."""
        self._parser.feed_data(self.sock.recv(65536))

    def read_text(self, text: str) -> Answer:
        """Read until a stream has delivered this text."""
        return self.read_until(lambda answer: text in answer.text)

    def read(self) -> Answer:
        """Read the next whole answer."""
        while not self.answers:
            data = self.sock.recv(65536)
            assert data, f"the connection ended after {self._answer.body!r}"
            self._parser.feed_data(data)
        return self.answers.pop(0)

    def read_to_end(self) -> Answer:
        """Read until the connection ends, and return what had come of the answer."""
        answer = self._answer
        try:
            while data := self.sock.recv(65536):
                self._parser.feed_data(data)
        except ConnectionError:
            pass
        return answer

    def leave(self) -> None:
        """Close the connection."""
        self.sock.close()

    def reset(self) -> None:
        """Break the connection off without a goodbye."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.sock.close()

    # What the parser calls ------------------------------------------------------------

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header."""
        self._answer.headers.append((name.decode().lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Note the status."""
        self._answer.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """Note a part of the body."""
        self._answer.add(body)

    def on_message_complete(self) -> None:
        """Start on the next answer."""
        self._answer.is_complete = True
        self.answers.append(self._answer)
        self._answer = Answer()
