"""Two real vLLMs behind one model: each is accounted for by itself, and either may die.

What a replica counted is held against the events that name it, so that a call metered
on the wrong one, or twice, shows. One is killed as a machine fails: in the middle of a
stream, which ends with an error and is billed as far as it went, and before an answer
began, which the other one gives. Started again, it is called again.

Where the machine lets the stream end before its engine can be killed, the story is told
once more, from its beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import openai
import pytest
from openai import OpenAI

from kit.contracts import CountedBy, EventStatus
from tests.engines.engine import Engine, EngineCounters
from tests.engines.events import MeteredCall, metered, metered_calls, operate, until
from tests.engines.mixed_calls import mixed_calls, perform_all
from tests.engines.server_process import ServerProcess
from tests.engines.vllm_facts import ENDLESS
from tests.engines.vllm_server import SERVED_MODEL
from tests.journeys.product import Product, running_product

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1200)]

CALLS = 60
# An engine that stalls gets few of them: then they are made again.
ROUNDS_MAX = 4
SECOND = "second"
# As long as the context allows.
LONG_TOKENS = 4_000
STORIES_MAX = 3
# Read of each stream before the machine fails: the engine has much left to say then.
READ_CHUNKS = 20
AFTERWARDS = 6


@dataclass(frozen=True)
class Pair:
    """Both engines, and the name under which the product knows each."""

    servers: dict[str, ServerProcess]

    def engine(self, name: str) -> Engine:
        """Return one engine, seen from outside."""
        return Engine(url=self.servers[name].url, model=SERVED_MODEL)

    def counters(self) -> dict[str, EngineCounters]:
        """Read both engines' counters once neither has anything to do."""
        until(lambda: all(self.engine(name).is_idle() for name in self.servers))
        return {name: self.engine(name).counters() for name in self.servers}


@pytest.fixture(scope="module")
def product(replicas: list[ServerProcess]) -> Iterator[Product]:
    """Provide a product with one model that both engines serve."""
    first, second = replicas
    with running_product(engine_url=first.url, engine_model=SERVED_MODEL) as product:
        added = {"model": SERVED_MODEL, "name": SECOND, "url": second.url}
        operate(product, "POST", "replicas/", added)
        yield product


@pytest.fixture(scope="module")
def pair(product: Product, replicas: list[ServerProcess]) -> Pair:
    """Provide both engines by name, once the gateway calls both."""
    names = {
        row["url"]: row["name"] for row in operate(product, "GET", "replicas/")["data"]
    }
    pair = Pair({names[server.url]: server for server in replicas})
    with _client(product) as client:
        until(lambda: _called(product, client) == set(pair.servers))
    return pair


def test_each_replica_is_metered_by_itself(product: Product, pair: Pair) -> None:
    """Events that name a replica are what that replica counted, to the token."""
    calls = [call for call in mixed_calls(2 * CALLS) if call.shape.choices == 1][:CALLS]
    known, before = set(metered_calls(product)), pair.counters()
    own: dict[str, list[MeteredCall]] = {}
    for made in range(1, ROUNDS_MAX + 1):
        with _client(product) as client:
            perform_all(client, model=SERVED_MODEL, calls=calls)
        events = _events_since(product, known, count=made * len(calls))
        own = {
            name: [event for event in events if event.replica == name]
            for name in pair.servers
        }
        if all(len(events) >= CALLS // 3 for events in own.values()):
            break
    grown = pair.counters()
    for name in pair.servers:
        assert len(own[name]) >= CALLS // 3
        assert _sums(own[name]) == _tokens(grown[name] - before[name])


def _events_since(
    product: Product, known: set[UUID], *, count: int
) -> list[MeteredCall]:
    """Return the events that were not known, once there are so many."""
    until(lambda: len(metered_calls(product)) == len(known) + count)
    return [event for id_, event in metered_calls(product).items() if id_ not in known]


@dataclass(frozen=True)
class Story:
    """What became of the calls around one engine's death and its return."""

    victim: str
    survivor: str
    broken: MeteredCall
    broken_error: openai.APIError
    broken_tokens: int
    whole: MeteredCall
    failed_over: list[MeteredCall]
    afterwards: list[MeteredCall]
    survivor_counted: EngineCounters
    survivor_metered: list[MeteredCall]
    returned: list[MeteredCall]
    returned_counted: EngineCounters


@dataclass
class Streaming:
    """A long answer that is being read, and the last count that its caller saw."""

    stream: Any
    tokens: int = 0
    error: openai.APIError | None = None

    @property
    def request_id(self) -> str:
        """Return the id of its event."""
        return str(self.stream.response.headers["x-request-id"])

    def read(self, chunks: int | None = None) -> None:
        """Read some chunks, or all that is left; an error ends it."""
        try:
            for number, chunk in enumerate(self.stream, start=1):
                if chunk.usage is not None:
                    self.tokens = chunk.usage.completion_tokens
                if number == chunks:
                    return
        except openai.APIError as error:
            self.error = error


@dataclass(frozen=True)
class Death:
    """The streams and calls around the moment at which an engine was killed."""

    streams: list[Streaming]
    waiting: list[str]
    afterwards: list[str]

    @property
    def is_in_a_stream(self) -> bool:
        """Tell whether it broke one of the streams, and the other one not."""
        return len([one for one in self.streams if one.error is not None]) == 1


@pytest.fixture(scope="module")
def story(product: Product, pair: Pair) -> Story:
    """Kill the second engine in the middle of things, and start it again."""
    victim = pair.servers[SECOND]
    [survivor] = set(pair.servers) - {SECOND}
    with _client(product) as client:
        for _ in range(STORIES_MAX):
            before, known = pair.counters(), set(metered_calls(product))
            death = _kill_in_a_stream(client, victim)
            ids = [one.request_id for one in death.streams]
            ids += death.waiting + death.afterwards
            metered(product, ids)
            counted = _counters_of(pair, survivor) - before[survivor]
            events = _events_since(product, known, count=len(ids))
            victim.start()
            victim.wait_until_healthy()
            until(lambda: SECOND in _called(product, client))
            if death.is_in_a_stream:
                break
        else:
            pytest.fail(f"no stream broke in {STORIES_MAX} deaths of its engine")
        returned_before = pair.counters()[SECOND]
        returned = metered(product, [_whole(client) for _ in range(AFTERWARDS)])
        returned_counted = pair.counters()[SECOND] - returned_before
    [broken] = [one for one in death.streams if one.error is not None]
    [whole] = [one for one in death.streams if one.error is None]
    assert broken.error is not None
    return Story(
        victim=SECOND,
        survivor=survivor,
        broken=metered(product, [broken.request_id])[0],
        broken_error=broken.error,
        broken_tokens=broken.tokens,
        whole=metered(product, [whole.request_id])[0],
        failed_over=metered(product, death.waiting),
        afterwards=metered(product, death.afterwards),
        survivor_counted=counted,
        survivor_metered=[event for event in events if event.replica == survivor],
        returned=returned,
        returned_counted=returned_counted,
    )


def _kill_in_a_stream(client: OpenAI, victim: ServerProcess) -> Death:
    """Let both engines say much, and kill one that has not said all."""
    with ThreadPoolExecutor(2) as threads:
        streams = [Streaming(_long_stream(client)) for _ in range(2)]
        for streaming in streams:
            streaming.read(READ_CHUNKS)
        victim.pause()
        # One of each two calls goes to the one that will never answer.
        waiting = [threads.submit(_whole, client) for _ in range(2)]
        wait(waiting, return_when=FIRST_COMPLETED)
        victim.kill()
        for streaming in streams:
            streaming.read()
        return Death(
            streams,
            waiting=[call.result() for call in waiting],
            afterwards=[_whole(client) for _ in range(AFTERWARDS)],
        )


def test_a_stream_whose_engine_dies_ends_with_an_error(story: Story) -> None:
    """The SDK raises; what was handed over before is billed, and no more."""
    assert story.broken.ended is EventStatus.ENGINE_ERROR
    assert story.broken.replica == story.victim
    assert story.broken.witness is CountedBy.ENGINE
    assert story.broken.output_tokens == story.broken_tokens >= READ_CHUNKS - 1
    assert "engine" in str(story.broken_error)


def test_the_other_stream_goes_on_to_its_end(story: Story) -> None:
    assert story.whole.ended is EventStatus.OK
    assert story.whole.replica == story.survivor


def test_an_answer_that_had_not_begun_is_given_by_the_other(story: Story) -> None:
    """Without a word to the caller; it is metered once, on the one that answered."""
    assert [event.ended for event in story.failed_over] == [EventStatus.OK] * 2
    assert {event.replica for event in story.failed_over} == {story.survivor}


def test_the_other_serves_alone_meanwhile(story: Story) -> None:
    assert {event.replica for event in story.afterwards} == {story.survivor}
    assert {event.ended for event in story.afterwards} == {EventStatus.OK}


def test_the_survivor_counted_what_is_metered_on_it(story: Story) -> None:
    assert _sums(story.survivor_metered) == _tokens(story.survivor_counted)


def test_a_replica_that_returns_is_called_again(story: Story) -> None:
    """Its counters began anew, and account for it again to the token."""
    own = [event for event in story.returned if event.replica == story.victim]
    assert own
    assert _sums(own) == _tokens(story.returned_counted)


def _client(product: Product) -> OpenAI:
    return OpenAI(
        base_url=product.base_url, api_key=product.api_key, max_retries=0, timeout=120
    )


def _called(product: Product, client: OpenAI) -> set[str | None]:
    """Make as many calls as there are engines, and tell which answered."""
    events = metered(product, [_whole(client) for _ in range(2)])
    return {event.replica for event in events}


def _whole(client: OpenAI) -> str:
    """Make a short call and return its request id."""
    answer = client.chat.completions.with_raw_response.create(
        model=SERVED_MODEL,
        messages=[{"role": "user", "content": "Hello."}],
        max_tokens=8,
    )
    return str(answer.headers["x-request-id"])


def _long_stream(client: OpenAI) -> Any:
    # The SDK does not know that usage may be asked for in every chunk.
    asked: dict[str, Any] = {
        "model": SERVED_MODEL,
        "messages": [{"role": "user", "content": "Tell me much."}],
        "max_tokens": LONG_TOKENS,
        **ENDLESS,
        "stream": True,
        "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    }
    return client.chat.completions.create(**asked)


def _counters_of(pair: Pair, name: str) -> EngineCounters:
    until(pair.engine(name).is_idle)
    return pair.engine(name).counters()


def _sums(events: Sequence[MeteredCall]) -> tuple[int, int]:
    return (
        sum(event.prompt_tokens for event in events),
        sum(event.output_tokens for event in events),
    )


def _tokens(counters: EngineCounters) -> tuple[int, int]:
    return counters.prompt_tokens, counters.generation_tokens
