"""A simulator on a free port, in a thread with a loop of its own.

Real sockets, no mocks. Owns: the thread, which ends with the context.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import uvloop

from inference.engines.simulator import Behaviour, SimulatorSettings, serve
from inference.engines.simulator.server import listen

PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class RunningSimulator:
    """Where it listens, and the calls that tests make most."""

    port: int
    client: httpx.Client

    @property
    def base_url(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self.port}"

    def stats(self) -> dict[str, int]:
        """Return the ground truth."""
        counts: dict[str, int] = self.client.get("/simulator/stats").json()
        return counts

    def metric(self, name: str) -> float:
        """Return the value of one metric of vLLM's, by its name without labels."""
        page = self.client.get("/metrics").text
        label = f'vllm:{name}{{engine="0",model_name="sim"}} '
        (line,) = [line for line in page.splitlines() if line.startswith(label)]
        return float(line.removeprefix(label))

    def change(self, **settings: Any) -> None:
        """Change the behaviour from the next request on."""
        answer = self.client.post("/simulator/settings", json=settings)
        answer.raise_for_status()

    def chat(self, **fields: Any) -> httpx.Response:
        """Post a chat of one user message, with `fields` over it."""
        body = {"messages": [{"role": "user", "content": "one two three"}], **fields}
        return self.client.post("/v1/chat/completions", json=body)

    def open_chat(self, **fields: Any) -> socket.socket:
        """Post the same chat on a raw socket, and read nothing."""
        return open_chat(self.port, **fields)

    def await_stats(self, reached: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """Ask for the stats until they are as wanted."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            stats = self.stats()
            if reached(stats):
                return stats
        raise AssertionError(f"not reached: {self.stats()}")


def open_chat(port: int, *, then: bytes = b"", **fields: Any) -> socket.socket:
    """Post a chat of one user message to `port` of this machine, and read nothing.

    `then` is sent right behind it.
    """
    body = orjson.dumps(
        {"messages": [{"role": "user", "content": "one two three"}], **fields}
    )
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
    connection.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
        % len(body)
        + body
        + then
    )
    return connection


def events_of(text: str) -> list[dict[str, Any]]:
    """Return the events of a whole stream, which must end in `[DONE]`."""
    *events, done, end = text.split("\n\n")
    assert done == "data: [DONE]"
    assert not end.strip()
    return [orjson.loads(event.removeprefix("data: ")) for event in events]


def text_of(events: list[dict[str, Any]], *, index: int = 0) -> str:
    """Return what a stream's events deliver of one choice."""
    return "".join(
        choice["delta"].get("content", "") if "delta" in choice else choice["text"]
        for event in events
        for choice in event["choices"]
        if choice["index"] == index
    )


@contextmanager
def running_simulator(
    *, api_key: str | None = None, at_port: int = 0, **behaviour: Any
) -> Iterator[RunningSimulator]:
    """Run a simulator with this behaviour until the block ends."""
    settings = SimulatorSettings(
        port=at_port, api_key=api_key, behaviour=Behaviour(**behaviour)
    )
    sock = listen(settings)
    port = sock.getsockname()[1]
    loop = uvloop.new_event_loop()
    serving = loop.create_task(serve(settings, sock=sock))
    thread = threading.Thread(target=_run, args=(loop, serving), daemon=True)
    thread.start()
    headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=PATIENCE_S
        ) as client:
            yield RunningSimulator(port, client)
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def _run(loop: asyncio.AbstractEventLoop, serving: "asyncio.Task[None]") -> None:
    try:
        loop.run_until_complete(asyncio.wait([serving]))
    finally:
        loop.close()
    if not serving.cancelled():
        serving.result()
