"""Reading engines: processes told from one another, readings thinned, pages read."""

import datetime as dt
from typing import Any

import pytest

from inference.control.engine_counts import read_all
from inference.control.services import disable_replica
from kit.engine_counts import EngineCount, EngineSilence
from metering.reconciliation.engines import reading
from metering.reconciliation.models import EngineProcess, EngineReading
from metering.usage.selectors import database_now
from tests.admin import page, signed_in, words
from tests.factories.control import make_model, make_replica
from tests.inference.engines.simulator.running import (
    RunningSimulator,
    running_simulator,
)
from tests.metering.reconciliation.engine_scene import (
    ADDRESS,
    ANSWER,
    MINUTE,
    PROMPT,
    EngineScene,
)

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


@pytest.fixture
def scene(operator_db: None) -> EngineScene:
    """Provide an engine that nobody has read yet."""
    return EngineScene()


def started_at(scene: EngineScene) -> dict[str, Any]:
    """Say that a process started half a minute ago."""
    at = scene.at + 9 * MINUTE
    return {"started_at": at, "mark": at.isoformat()}


def test_a_restart_begins_a_process_with_nothing_counted(scene: EngineScene) -> None:
    scene.read(prompt_tokens=500, generated_tokens=500)
    scene.request(after=9.5 * MINUTE)
    scene.read(**started_at(scene), prompt_tokens=PROMPT, generated_tokens=ANSWER)

    first, second = EngineProcess.objects.order_by("number")

    assert (first.prompt_tokens, second.prompt_tokens) == (500, PROMPT)
    assert second.readings.filter(is_start=True).count() == 1
    assert not first.readings.filter(is_start=True).exists()
    assert scene.found() == []


def test_a_call_behind_our_back_right_after_a_restart_is_found(
    scene: EngineScene,
) -> None:
    scene.read(prompt_tokens=500, generated_tokens=500)
    scene.read(**started_at(scene), prompt_tokens=PROMPT, generated_tokens=ANSWER)
    (found,) = scene.found()
    assert found.subject == f"engine {ADDRESS}, process 2"


@pytest.mark.parametrize("before", [(500, 500), (500, 0), (0, 500)])
def test_counts_that_fell_are_another_process(
    scene: EngineScene, before: tuple[int, int]
) -> None:
    prompt, generated = before
    scene.read(prompt_tokens=prompt, generated_tokens=generated)
    scene.request()
    scene.read(prompt_tokens=PROMPT, generated_tokens=ANSWER)
    assert EngineProcess.objects.count() == 2
    assert scene.found() == []


def test_an_engine_at_work_before_we_knew_it_did_so_for_others(
    scene: EngineScene,
) -> None:
    long_ago = scene.start - 2 * DAY
    known: dict[str, Any] = {
        "started_at": long_ago,
        "mark": "m",
        "known_since": scene.start,
    }
    scene.read(**known, prompt_tokens=9_000, generated_tokens=9_000)
    scene.read(**known, prompt_tokens=9_000, generated_tokens=9_000)
    assert scene.found() == []
    assert not EngineReading.objects.filter(is_start=True).exists()


def test_silence_is_said_and_ends_with_the_next_answer(scene: EngineScene) -> None:
    scene.read()
    scene.answer(EngineSilence(ADDRESS, (1,), scene.at, "could not be read"))
    process = EngineProcess.objects.get()
    assert process.problem == "could not be read"
    scene.read()
    process.refresh_from_db()
    assert process.problem == ""


def test_readings_are_thinned_to_one_an_hour_and_end(scene: EngineScene) -> None:
    scene.at = scene.now - 50 * DAY
    scene.read(after=MINUTE)
    scene.at = scene.now - 5 * HOUR
    for number in range(300):
        # Of every hour the third reading is the first quiet one.
        scene.read(after=MINUTE, running=0 if number % 60 == 2 else 1)
    # Beyond what is kept, but the first of its process.
    assert EngineReading.objects.count() == 301

    reading.thin_readings(now=scene.now)

    kept = EngineReading.objects.order_by("answered_at")
    assert 1 + 120 + 3 <= kept.count() <= 1 + 121 + 4
    old = kept.filter(answered_at__lt=scene.now - reading.WHOLE_FOR)[1:]
    assert sum(each.running for each in old) <= 2
    assert reading.thin_readings(now=scene.now) == 0
    reading.thin_readings(now=scene.now + 60 * DAY)
    assert EngineReading.objects.count() == 2


def test_an_engines_page_says_what_is_known_of_it(scene: EngineScene) -> None:
    scene.read(prompt_tokens=4321)
    process, client = EngineProcess.objects.get(), signed_in()
    name = "reconciliation_engineprocess"
    for address in (page(name, "changelist"), page(name, "change", process.pk)):
        assert "4321" in words(client.get(address).content).replace(",", "")
    assert "A prompt is counted once for each answer" in words(
        client.get(address).content
    )


@pytest.fixture
def simulator() -> Any:
    """Provide an engine."""
    with running_simulator(model="sim") as running:
        yield running


def read_once() -> list[EngineCount | EngineSilence]:
    now = database_now()
    return list(read_all(lambda: now))


@pytest.mark.usefixtures("operator_db")
def test_all_replicas_of_an_address_are_one_engine(simulator: RunningSimulator) -> None:
    first = make_replica(url=simulator.base_url)
    second = make_replica(
        url=f"{simulator.base_url}/v1", model=make_model(context_tokens=100_000)
    )
    simulator.chat(max_tokens=7, n=2)

    (count,) = read_once()

    assert isinstance(count, EngineCount)
    assert count.replica_ids == (first.pk, second.pk)
    stats = simulator.stats()
    assert count.prompt_tokens == 2 * stats["prompt_tokens"] > 0
    assert count.generated_tokens == stats["generation_tokens"] == 14
    assert (count.engine, count.running, count.context_tokens) == ("vllm", 0, 100_000)
    assert (count.extra_samples, count.samples_max) == (1, 2)
    assert count.started_at is not None
    assert abs(count.started_at - database_now()) < MINUTE


def test_the_worker_asks_servings_own_reader() -> None:
    assert reading._source.reader is read_all


@pytest.mark.usefixtures("operator_db")
def test_engines_that_tell_nothing_hold_up_no_other(
    simulator: RunningSimulator,
) -> None:
    make_replica(url="http://127.0.0.1:1")
    make_replica(url=f"{simulator.base_url}/nowhere")
    make_replica(url=simulator.base_url)
    disable_replica(replica=make_replica(url="http://127.0.0.2:1"))
    answers = {answer.address: answer for answer in read_once()}
    assert len(answers) == 3
    away = answers["http://127.0.0.1:1"]
    assert isinstance(away, EngineSilence)
    assert (away.said, away.is_lasting) == ("could not be read (ConnectError)", False)
    none = answers[f"{simulator.base_url}/nowhere"]
    assert isinstance(none, EngineSilence)
    assert (none.said, none.is_lasting) == ("answered 404 to /metrics", True)
    assert isinstance(answers[simulator.base_url], EngineCount)
