"""A load client that is faster than what it measures: callbacks, one per connection.

Every answer is judged; one that is not whole is counted with its reason and costs its
connection. A request that has no answer at the end of the window, and was sent before
it began, counts as an error too: silence is not success. Owns: the connections, which
end with the run.
"""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Generic, TypeVar

import httptools

from tests.bench.answers import Answer, Verdict, judge, token_times_ns
from tests.bench.scenarios import Scenario

Reading = TypeVar("Reading")

HOST = "127.0.0.1"
RECONNECT_S = 0.05
REASONS_MAX = 5


@dataclass(slots=True)
class Observed:
    """What the client saw of the answers that ended inside the window."""

    answers: int = 0
    tokens: int = 0
    errors: int = 0
    broken: int = 0
    window_s: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    # From the request to the first token, or to the whole of an unstreamed answer.
    first_ns: list[int] = field(default_factory=list)
    # From one token to the next, of paced streams.
    gaps_ns: list[int] = field(default_factory=list)
    # From the last token to the end of the answer, of paced streams.
    endings_ns: list[int] = field(default_factory=list)

    def fail(self, verdict: Verdict, reason: str) -> None:
        """Count a request that was not answered as it should have been."""
        if verdict is Verdict.ERROR:
            self.errors += 1
        else:
            self.broken += 1
        if reason in self.reasons or len(self.reasons) < REASONS_MAX:
            self.reasons[reason] += 1


@dataclass(frozen=True, slots=True)
class Run(Generic[Reading]):
    """A load's observations, and a gauge as it stood at both ends of the window."""

    observed: Observed
    before: Reading
    after: Reading


class Load:
    """One scenario against one address."""

    def __init__(self, scenario: Scenario, *, port: int, request: bytes) -> None:
        self.scenario = scenario
        self.request = request
        self.observed = Observed()
        self.is_measuring = False
        self._began_ns = 0
        self.is_over = False
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()

    async def run(self, gauge: Callable[[], Reading]) -> Run[Reading]:
        """Start, warm up, measure for the window's length, and hang up."""
        scenario = self.scenario
        for _ in range(scenario.connections):
            self.connect()
            await asyncio.sleep(scenario.spread_s / scenario.connections)
        await asyncio.sleep(scenario.warm_up_s)
        # The collector would stop the client, and the pause would pass for a delay.
        gc.collect()
        gc.disable()
        try:
            before, self._began_ns = gauge(), time.monotonic_ns()
            self.is_measuring = True
            await asyncio.sleep(scenario.window_s)
            self.is_measuring = False
            after, ended_ns = gauge(), time.monotonic_ns()
        finally:
            gc.enable()
        self.observed.window_s = (ended_ns - self._began_ns) / 1e9
        self._hang_up()
        return Run(self.observed, before, after)

    def connect(self) -> None:
        """Open one more connection, which makes requests from then on."""
        if not self.is_over:
            task = self._loop.create_task(self._connect())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    def joined(self, connection: "Connection") -> None:
        """Note a connection that is up."""
        self._connections.add(connection)

    def lost(self, connection: "Connection") -> None:
        """Replace a connection that ended before the run did."""
        self._connections.discard(connection)
        if not self.is_over:
            self._loop.call_later(RECONNECT_S, self.connect)

    def answered(self, answer: Answer) -> bool:
        """Judge an answer; tell whether its connection may go on."""
        scenario = self.scenario
        verdict, reason = judge(answer, tokens=scenario.tokens, stream=scenario.stream)
        if verdict is not Verdict.WHOLE:
            self.failed(verdict, reason)
            return False
        if self.is_measuring:
            self._observe(answer)
        return True

    def failed(self, verdict: Verdict, reason: str) -> None:
        """Note a request without a whole answer."""
        if self.is_measuring:
            self.observed.fail(verdict, reason)

    def _observe(self, answer: Answer) -> None:
        observed, scenario = self.observed, self.scenario
        observed.answers += 1
        if scenario.is_crowd:
            self._observe_tokens(answer)
            return
        observed.tokens += scenario.tokens
        if not scenario.stream:
            observed.first_ns.append(answer.arrived_ns[-1] - answer.sent_ns)
        elif scenario.is_paced:
            times_ns = list(token_times_ns(answer))
            observed.first_ns.append(times_ns[0] - answer.sent_ns)
            observed.gaps_ns.extend(
                later - sooner for sooner, later in pairwise(times_ns)
            )
            observed.endings_ns.append(answer.arrived_ns[-1] - times_ns[-1])
        else:
            observed.first_ns.append(next(token_times_ns(answer)) - answer.sent_ns)

    def _observe_tokens(self, answer: Answer) -> None:
        """Count what of an answer came within the window, whole or not.

        A crowd's answers last about as long as the window.
        """
        observed = self.observed
        times_ns = list(token_times_ns(answer))
        if times_ns and answer.sent_ns >= self._began_ns:
            observed.first_ns.append(times_ns[0] - answer.sent_ns)
        observed.tokens += sum(each >= self._began_ns for each in times_ns)
        observed.gaps_ns.extend(
            later - sooner
            for sooner, later in pairwise(times_ns)
            if later >= self._began_ns
        )

    async def _connect(self) -> None:
        try:
            await self._loop.create_connection(
                lambda: Connection(self), HOST, self._port
            )
        except OSError as error:
            self.failed(Verdict.ERROR, f"no connection: {type(error).__name__}")
            await asyncio.sleep(RECONNECT_S)
            self.connect()

    def _hang_up(self) -> None:
        self.is_over = True
        for task in self._connecting:
            task.cancel()
        for connection in tuple(self._connections):
            if connection.heard_ns < self._began_ns:
                self.observed.fail(Verdict.ERROR, "silence for the whole window")
            elif self.scenario.is_crowd:
                self._observe_tokens(connection.so_far())
            connection.hang_up()


class Connection(asyncio.Protocol):
    """Makes one request after another; the parser calls back into it."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._parts: list[bytes] = []
        self._arrived_ns: list[int] = []
        self._now_ns = 0
        self.sent_ns = 0

    @property
    def heard_ns(self) -> int:
        """Return since when nothing has come, from the request on."""
        return max(self.sent_ns, self._now_ns)

    def so_far(self) -> Answer:
        """Return what has come of the answer under way."""
        # The last part may end within an event, whose token has then not come.
        return Answer(0, self.sent_ns, self._parts, self._arrived_ns)

    def hang_up(self) -> None:
        """Close without waiting for anything."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make the first request."""
        self._transport = transport  # type: ignore[assignment]
        self._load.joined(self)
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the answer that was under way as cut off."""
        self._transport = None
        if not self._load.is_over and self.sent_ns:
            verdict = Verdict.BROKEN if self._parts else Verdict.ERROR
            self._load.failed(verdict, "the connection was closed")
        self._load.lost(self)

    def data_received(self, data: bytes) -> None:
        """Take the time first: what is parsed now has come now."""
        self._now_ns = time.monotonic_ns()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._load.failed(Verdict.BROKEN, f"not HTTP: {type(error).__name__}")
            self.sent_ns = 0
            self.hang_up()

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body and when it came."""
        self._parts.append(body)
        self._arrived_ns.append(self._now_ns)

    def on_message_complete(self) -> None:
        """Make the next request, then judge this answer."""
        answer = Answer(
            self._parser.get_status_code(), self.sent_ns, self._parts, self._arrived_ns
        )
        self.sent_ns = 0
        goes_on = self._parser.should_keep_alive()
        if goes_on:
            self._send()
        if not self._load.answered(answer):
            self.sent_ns, goes_on = 0, False
        if not goes_on:
            self.hang_up()

    def _send(self) -> None:
        self._parts, self._arrived_ns = [], []
        if self._transport is not None and not self._load.is_over:
            self.sent_ns = time.monotonic_ns()
            self._transport.write(self._load.request)
