"""Every surface, streamed and whole, to every end: one settlement, and never silence.

A surface that is missing from the walk fails it. Whatever the surface, an answer ends
as an answer or as an error in the words of its own clients, the text that they have is
the output that is billed, and nothing stays open behind it.
"""

from collections.abc import Iterator

import pytest

from inference.engines.simulator.tokens import delivered_tokens
from inference.gateway.surfaces import SURFACES
from inference.openai.tasks import Task
from kit.contracts import Admission, EventStatus, Outcome, Surface, TokenCounts
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import Answer, RawClient
from tests.inference.gateway.limited import quota
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway
from tests.inference.gateway.speaking import SPEAKERS, Speaker, pieces_of

SAID = 40
MANY = 1_000
FEW = 7
FREE = TokenCounts()

GENERATING = [surface for surface in SURFACES if SPEAKERS[surface].streams]
READING = [surface for surface in SURFACES if not SPEAKERS[surface].streams]

streamed_or_not = pytest.mark.parametrize("stream", [True, False])
every_generating = pytest.mark.parametrize("surface", GENERATING)
every_reading = pytest.mark.parametrize("surface", READING)


@pytest.fixture
def model(gateway: RunningGateway, simulator: RunningSimulator) -> str:
    """Publish a model that does all tasks."""
    simulator.change(answer_tokens_max=SAID)
    return gateway.serve(
        simulator.base_url, upstream_model="sim", tasks=[task.value for task in Task]
    )


@pytest.fixture(autouse=True)
def _nothing_stays(gateway: RunningGateway) -> Iterator[None]:
    yield
    wait_until(lambda: gateway.meter.open_requests == 0)
    assert not gateway.meter.budgets.holds
    wait_until(lambda: len(gateway.live) == 0)


def ask(
    raw: RawClient,
    surface: Surface,
    model: str,
    *,
    stream: bool = False,
    tokens: int = MANY,
) -> Speaker:
    """Send one request of a surface."""
    speaker = SPEAKERS[surface]
    raw.post(speaker.path, speaker.ask(model, stream=stream, tokens=tokens))
    return speaker


def settled(gateway: RunningGateway) -> tuple[Admission, Outcome]:
    """Return the one settlement."""
    wait_until(lambda: gateway.meter.settled and not gateway.meter.open_requests)
    [(admission, outcome)] = gateway.meter.settled
    assert len(gateway.meter.admissions) == 1
    return admission, outcome


def delivered(speaker: Speaker, answer: Answer) -> int:
    """Return how many tokens of text a client has."""
    return delivered_tokens("".join(speaker.texts(pieces_of(answer))))


def test_no_surface_is_missing_from_the_walk() -> None:
    assert set(SURFACES) == set(Surface) == set(SPEAKERS)
    for surface, entry in SURFACES.items():
        assert entry.path == SPEAKERS[surface].path


@every_generating
@streamed_or_not
@pytest.mark.parametrize(
    ("tokens", "end", "said"), [(MANY, "stop", SAID), (FEW, "length", FEW)]
)
def test_an_answer_that_ends(
    gateway: RunningGateway,
    model: str,
    raw: RawClient,
    surface: Surface,
    stream: bool,
    tokens: int,
    end: str,
    said: int,
) -> None:
    speaker = ask(raw, surface, model, stream=stream, tokens=tokens)
    answer = raw.read()

    assert answer.status == 200, answer.body
    assert speaker.end(pieces_of(answer)) == end
    assert not speaker.error(pieces_of(answer))
    admission, outcome = settled(gateway)
    assert (admission.surface, admission.streamed) == (surface, stream)
    assert outcome.status is EventStatus.OK
    assert outcome.counts.output_tokens == said == delivered(speaker, answer)
    assert outcome.counts.input_tokens > 0


@every_generating
@streamed_or_not
def test_a_client_that_leaves(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    surface: Surface,
    stream: bool,
) -> None:
    simulator.change(inter_token_ms=20)
    speaker = ask(raw, surface, model, stream=stream)
    simulator.await_stats(lambda stats: stats["generation_tokens"] >= 3)
    had = 0
    if stream:
        answer = raw.read_until(lambda answer: delivered(speaker, answer) >= 3)
        had = delivered(speaker, answer)
    raw.leave()

    simulator.await_stats(lambda stats: stats["aborted"] == 1)
    _, outcome = settled(gateway)
    assert outcome.status is EventStatus.CLIENT_GONE
    assert outcome.counts.input_tokens > 0
    if stream:
        assert had <= outcome.counts.output_tokens < SAID
    else:
        assert outcome.counts.output_tokens == 0


@every_generating
@streamed_or_not
@pytest.mark.parametrize("struck", [0, 1, 5])
def test_an_engine_that_dies(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    surface: Surface,
    stream: bool,
    struck: int,
) -> None:
    simulator.change(fault="die", fault_after_tokens=struck)
    speaker = ask(raw, surface, model, stream=stream)
    answer = raw.read()

    pieces = pieces_of(answer)
    assert speaker.error(pieces)
    assert not speaker.end(pieces)
    assert (answer.status == 200) == (stream and struck > 0)
    _, outcome = settled(gateway)
    assert outcome.status is EventStatus.ENGINE_ERROR
    had = delivered(speaker, answer) if answer.status == 200 else 0
    assert outcome.counts.output_tokens == had == (struck if stream else 0)
    assert (outcome.counts == FREE) == (had == 0)


@every_generating
@streamed_or_not
def test_a_budget_that_ends(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    surface: Surface,
    stream: bool,
) -> None:
    place = quota(gateway, "output_tokens", FEW)
    speaker = ask(raw, surface, model, stream=stream)
    answer = raw.read()

    assert answer.status == 200, answer.body
    pieces = pieces_of(answer)
    if stream:
        assert speaker.error(pieces)
        assert not speaker.end(pieces)
    else:
        assert answer.header("x-tollgate-ended") == "insufficient_quota"
        assert speaker.end(pieces) == "length"
    _, outcome = settled(gateway)
    assert outcome.status is EventStatus.BUDGET_EXHAUSTED
    assert outcome.counts.output_tokens == delivered(speaker, answer) == FEW
    assert gateway.meter.budgets.posted[place] == FEW


@every_generating
@streamed_or_not
def test_a_budget_that_is_spent(
    gateway: RunningGateway, model: str, raw: RawClient, surface: Surface, stream: bool
) -> None:
    quota(gateway, "output_tokens", 0)
    speaker = ask(raw, surface, model, stream=stream)
    answer = raw.read()
    assert answer.status == 429
    assert speaker.error(pieces_of(answer))
    assert answer.header("x-should-retry") == "false"
    assert not gateway.meter.settled


@every_reading
def test_what_only_reads_its_prompts(
    gateway: RunningGateway, model: str, raw: RawClient, surface: Surface
) -> None:
    speaker = ask(raw, surface, model)
    answer = raw.read()

    assert answer.status == 200, answer.body
    assert speaker.end(pieces_of(answer))
    admission, outcome = settled(gateway)
    assert (admission.surface, admission.streamed) == (surface, False)
    assert outcome.status is EventStatus.OK
    usage = answer.json["usage"]
    prompt = usage.get("prompt_tokens", usage["total_tokens"])
    assert outcome.counts == TokenCounts(input_tokens=prompt)
    assert prompt > 0


@every_reading
def test_a_client_that_leaves_what_only_reads(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    surface: Surface,
) -> None:
    simulator.change(first_token_ms=60_000)
    ask(raw, surface, model)
    simulator.await_stats(lambda stats: stats["requests"] >= 1)
    raw.leave()
    _, outcome = settled(gateway)
    assert outcome.status is EventStatus.CLIENT_GONE
    assert outcome.counts.output_tokens == 0
    assert outcome.counts.input_tokens > 0


@every_reading
def test_an_engine_that_dies_reading(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    surface: Surface,
) -> None:
    simulator.change(fault="die")
    speaker = ask(raw, surface, model)
    answer = raw.read()
    assert answer.status == 502
    assert speaker.error(pieces_of(answer))
    assert all(outcome.counts == FREE for outcome in gateway.meter.outcomes)


@every_reading
def test_a_budget_of_prompts_that_is_spent(
    gateway: RunningGateway, model: str, raw: RawClient, surface: Surface
) -> None:
    quota(gateway, "input_tokens", 0)
    speaker = ask(raw, surface, model)
    answer = raw.read()
    assert answer.status == 429
    assert speaker.error(pieces_of(answer))
    assert not gateway.meter.settled


@every_reading
def test_a_budget_of_output_is_not_asked_by_what_makes_none(
    gateway: RunningGateway, model: str, raw: RawClient, surface: Surface
) -> None:
    quota(gateway, "output_tokens", 0)
    ask(raw, surface, model)
    assert raw.read().status == 200
