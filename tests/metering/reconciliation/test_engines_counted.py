"""What engines counted against what was metered: each way it may and may not differ."""

import datetime as dt
from typing import Any

import pytest

from kit.contracts import EventStatus, TokenCounts
from metering.reconciliation import services
from metering.reconciliation.engines.known import LLAMA_CPP, VLLM
from metering.reconciliation.models import EngineProcess
from tests.metering.reconciliation.engine_scene import (
    ANSWER,
    MINUTE,
    PROMPT,
    SECOND,
    EngineScene,
)

pytestmark = pytest.mark.usefixtures("operator_db")
GONE = EventStatus.CLIENT_GONE
DAY = dt.timedelta(days=1)


@pytest.fixture
def scene(operator_db: None) -> EngineScene:
    """Provide an engine that was read once, with nothing counted."""
    made = EngineScene()
    made.read()
    return made


def test_what_was_metered_is_what_was_counted(scene: EngineScene) -> None:
    for done in range(1, 4):
        scene.request()
        scene.read(prompt_tokens=done * PROMPT, generated_tokens=done * ANSWER)
    assert scene.found() == []


@pytest.mark.parametrize(
    ("prompt", "generated", "says"),
    [
        (1, 0, "121 and 50: 1 and 0 that nothing explains"),
        (0, 1, "120 and 51: 0 and 1 that nothing explains"),
        (-1, 0, "119 and 50: 1 and 0 that nothing explains"),
        (0, -1, "120 and 49: 0 and 1 that nothing explains"),
    ],
)
def test_at_quiet_a_single_token_is_a_difference(
    scene: EngineScene, prompt: int, generated: int, says: str
) -> None:
    scene.request()
    scene.read(prompt_tokens=PROMPT + prompt, generated_tokens=ANSWER + generated)

    (found,) = scene.found()

    assert found.subject == "engine http://engine:8000, process 1"
    assert found.expected == "120 prompt and 50 generated tokens"
    assert found.found.startswith(says)


def test_what_is_in_flight_counts_with_any_part_of_it(scene: EngineScene) -> None:
    scene.request(after=9 * MINUTE, duration_us=120_000_000)
    scene.read(prompt_tokens=PROMPT, generated_tokens=ANSWER - 1, running=1)
    assert scene.found() == []
    scene.read(prompt_tokens=PROMPT, generated_tokens=ANSWER + 1)
    (found,) = scene.found()
    assert "0 and 1 that nothing explains" in found.found


def test_more_than_is_in_flight_is_a_difference_under_load(scene: EngineScene) -> None:
    scene.request(after=9 * MINUTE, duration_us=120_000_000)
    scene.read(prompt_tokens=PROMPT, generated_tokens=ANSWER + 1, running=1)
    assert len(scene.found()) == 1


def test_a_strange_call_is_found_though_requests_were_lost_before(
    scene: EngineScene,
) -> None:
    """More in one hour does not make up for less in another."""
    scene.request()
    scene.read(after=65 * MINUTE)
    scene.read(after=65 * MINUTE, prompt_tokens=PROMPT, generated_tokens=ANSWER)
    (found,) = scene.found()
    assert f"{2 * PROMPT} and {2 * ANSWER} that nothing explains" in found.found


@pytest.mark.parametrize(
    ("fields", "prompt", "generated"),
    [
        ({}, PROMPT, ANSWER + VLLM.unheard_tokens_max),
        # It was gone before the engine looked at it.
        ({}, 0, ANSWER),
        ({"streamed": False}, PROMPT, ANSWER + 512),
        # Ended by our side before its first token: the prompt is not metered.
        ({"counts": TokenCounts(), "status": EventStatus.DRAINED}, PROMPT, 0),
    ],
)
def test_what_was_cut_off_may_differ_by_what_is_known(
    scene: EngineScene, fields: dict[str, Any], prompt: int, generated: int
) -> None:
    scene.request(**{"status": GONE, **fields})
    scene.read(prompt_tokens=prompt, generated_tokens=generated)
    assert scene.found() == []


@pytest.mark.parametrize("minutes", [1, 9])
def test_what_a_killed_gateway_had_asked_for_may_have_been_counted_anywhere(
    scene: EngineScene, minutes: int
) -> None:
    """Of an answer at once its journal does not say where, nor for how long."""
    killed: dict[str, Any] = {"counts": TokenCounts(), "duration_us": 0}
    scene.request(
        after=minutes * MINUTE,
        replica_id=0,
        status=EventStatus.DRAINED,
        streamed=False,
        **killed,
    )
    scene.read(prompt_tokens=PROMPT, generated_tokens=ANSWER)
    scene.read(prompt_tokens=PROMPT, generated_tokens=2 * ANSWER)
    assert scene.found() == []
    scene.read(prompt_tokens=PROMPT, generated_tokens=512 + 1)
    assert len(scene.found()) == 1


def test_what_was_cut_off_explains_no_more_than_that(scene: EngineScene) -> None:
    scene.request(status=GONE)
    scene.read(
        prompt_tokens=PROMPT, generated_tokens=ANSWER + VLLM.unheard_tokens_max + 1
    )
    (found,) = scene.found()
    assert "0 and 1 that nothing explains" in found.found


def test_a_prompt_counts_once_for_each_answer(scene: EngineScene) -> None:
    more: dict[str, Any] = {"prompt_tokens": 2 * PROMPT, "generated_tokens": ANSWER}
    scene.request()
    scene.read(**more, extra_samples=1, samples_max=2)
    assert scene.found() == []
    scene.read(**{**more, "prompt_tokens": 2 * PROMPT + 1}, extra_samples=1)
    assert len(scene.found()) == 1


def test_a_request_that_made_room_may_count_again(scene: EngineScene) -> None:
    scene.request()
    scene.read(prompt_tokens=2 * PROMPT, generated_tokens=ANSWER, preemptions=1)
    assert scene.found() == []


def test_what_llama_cpp_had_cached_it_does_not_count(operator_db: None) -> None:
    scene = EngineScene()
    scene.read(engine=LLAMA_CPP.engine)
    scene.request()
    scene.read(engine=LLAMA_CPP.engine, prompt_tokens=5, generated_tokens=ANSWER)
    assert scene.found() == []


def test_what_is_not_complete_yet_is_not_compared(scene: EngineScene) -> None:
    scene.read(prompt_tokens=PROMPT, generated_tokens=ANSWER)
    assert len(scene.found()) == 1
    # A gateway says that a request of before is still open.
    type(scene.epoch).objects.update(open_since=scene.at - SECOND)
    assert scene.found() == []


def test_a_strange_call_before_the_first_tenants_days_is_found(
    operator_db: None,
) -> None:
    """The window is one of dates: that nobody was billed yet does not narrow it."""
    scene = EngineScene()
    scene.at -= 3 * DAY
    scene.read()
    scene.read(prompt_tokens=PROMPT)
    (found,) = scene.found()
    assert f"{PROMPT} and 0 that nothing explains" in found.found


def test_an_address_that_two_processes_share_is_not_compared(
    scene: EngineScene,
) -> None:
    scene.read(mark="second", prompt_tokens=7)
    scene.read(mark="first", prompt_tokens=0)
    assert scene.found() == []
    for process in EngineProcess.objects.all():
        assert process.problem.startswith("several processes answer")


def test_what_came_from_the_cache_is_held_against_no_engine(scene: EngineScene) -> None:
    """Its answer has tokens, which were counted when it was made."""
    scene.request()
    scene.request(replica_id=-1, after=MINUTE)
    scene.read(prompt_tokens=PROMPT, generated_tokens=ANSWER)
    assert scene.found() == []
    scene.read(prompt_tokens=PROMPT, generated_tokens=2 * ANSWER)
    assert len(scene.found()) == 1


def test_what_a_replica_served_elsewhere_is_not_held_against_this_one(
    scene: EngineScene,
) -> None:
    """It was led to this engine between two readings: before or after, who knows."""
    scene.request(replica_id=2)
    scene.read(replica_ids=(1, 2))
    assert scene.found() == []


def test_the_run_says_the_chain_in_tokens(scene: EngineScene) -> None:
    scene.request(generated_tokens=ANSWER + 3)
    scene.read(prompt_tokens=PROMPT, generated_tokens=ANSWER + 3)
    run = services.reconcile(now=scene.now)
    assert run.tokens == [
        {
            "name": "counted by engines",
            "prompt_tokens": PROMPT,
            "generated_tokens": ANSWER + 3,
            "known_most": 0,
        },
        {
            "name": "metered",
            "prompt_tokens": PROMPT,
            "generated_tokens": ANSWER + 3,
            "known_most": 0,
        },
        {
            "name": "delivered",
            "prompt_tokens": PROMPT,
            "generated_tokens": ANSWER,
            "known_most": 3,
        },
    ]
