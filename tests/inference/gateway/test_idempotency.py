"""`Idempotency-Key` through the whole process, as the SDK sees it."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionUserMessageParam

from kit.contracts import EventStatus
from metering.idempotency.tasks import credit_retries
from tests.databases import Database
from tests.factories.limits import make_rate_limit
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import Answer
from tests.inference.gateway.metered import (
    MODEL,
    MeteredGateway,
    events,
    metered_gateway,
    seed,
)
from tests.inference.gateway.polling import PATIENCE_S, wait_until
from tests.inference.gateway.test_metered import stopped_commits
from tests.inference.gateway.test_metered_limits import await_limits

MESSAGES: list[ChatCompletionUserMessageParam] = [
    {"role": "user", "content": "one two three"}
]


@pytest.fixture
def metered(
    fresh_database: Database, simulator: RunningSimulator
) -> Iterator[MeteredGateway]:
    issued = seed(simulator.base_url)
    with metered_gateway(fresh_database, issued) as running:
        yield running


@pytest.fixture
def sdk(metered: MeteredGateway) -> Iterator[OpenAI]:
    with OpenAI(
        base_url=f"http://127.0.0.1:{metered.port}/v1",
        api_key=metered.issued.key,
        max_retries=0,
        timeout=PATIENCE_S,
    ) as client:
        yield client


def ask(sdk: OpenAI, key: str, *, max_tokens: int = 2, model: str = MODEL) -> Any:
    return sdk.chat.completions.create(
        model=model,
        messages=MESSAGES,
        max_tokens=max_tokens,
        extra_headers={"Idempotency-Key": key},
    )


def stream(gateway: MeteredGateway, raw: Any, key: str, **fields: Any) -> Answer:
    raw.chat(MODEL, stream=True, headers=(f"Idempotency-Key: {key}",), **fields)
    answer: Answer = raw.read_text(" t1")
    return answer


def test_a_retry_runs_again_and_is_its_own_request(sdk: OpenAI) -> None:
    key = str(uuid.uuid4())
    assert ask(sdk, key).usage.completion_tokens == 2
    assert ask(sdk, key).usage.completion_tokens == 2
    assert len({event.request_id for event in events()}) == 2


def test_another_body_is_refused_as_the_sdk_knows_it(sdk: OpenAI) -> None:
    ask(sdk, "mine")
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        ask(sdk, "mine", max_tokens=3)
    assert refused.value.code == "idempotency_key_reused"
    assert ask(sdk, "another", max_tokens=3)
    # Another endpoint is another scope.
    completion = sdk.completions.create(
        model=MODEL,
        prompt="one",
        max_tokens=1,
        extra_headers={"Idempotency-Key": "mine"},
    )
    assert completion.usage is not None
    assert len(events()) == 3


def test_while_the_first_runs_a_second_is_told_to_wait(
    sdk: OpenAI, metered: MeteredGateway, simulator: RunningSimulator
) -> None:
    simulator.change(inter_token_ms=5)
    fields = {"messages": MESSAGES, "max_tokens": 2000}
    with metered.raw() as running, metered.raw() as second:
        stream(metered, running, "k", **fields)
        header = ("Idempotency-Key: k",)
        second.chat(MODEL, stream=True, headers=header, **fields)
        told = second.read()
        assert (told.status, told.header("retry-after")) == (409, "1")
        assert told.json["error"]["code"] == "idempotency_key_in_use"
        running.leave()
        wait_until(lambda: len(events()) == 1)
        stream(metered, second, "k", **fields)
        second.leave()
        wait_until(lambda: len(events()) == 2)
    assert {event.status for event in events()} == {EventStatus.CLIENT_GONE}


def test_409_is_the_sdk_s_conflict_and_it_tries_again_by_itself(
    sdk: OpenAI, metered: MeteredGateway, fresh_database: Database
) -> None:
    with ThreadPoolExecutor() as beside:
        with stopped_commits(fresh_database):
            first = beside.submit(ask, sdk, "k")
            wait_until(lambda: metered.process.meter.committer.waiting == 1)
            with pytest.raises(openai.ConflictError) as refused:
                ask(sdk, "k")
            assert refused.value.code == "idempotency_key_in_use"
            again = beside.submit(ask, sdk.with_options(max_retries=5), "k")
            wait_until(lambda: metered.process.meter.journal.voided == 2)
        assert first.result().usage.completion_tokens == 2
        assert again.result().usage.completion_tokens == 2
    assert len(events()) == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9", "a\tb", " "])
def test_a_key_that_is_none_is_refused(metered: MeteredGateway, key: str) -> None:
    with metered.raw() as raw:
        raw.chat(MODEL, headers=(f"Idempotency-Key: {key}",))
        answer = raw.read()
    assert answer.status == 400
    assert answer.json["error"]["code"] == "invalid_idempotency_key"


def test_the_sdk_s_error_for_a_bad_key_and_for_two(
    sdk: OpenAI, metered: MeteredGateway
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(sdk, "x" * 256)
    assert refused.value.param == "Idempotency-Key"
    assert ask(sdk, "x" * 255)
    with metered.raw() as raw:
        raw.chat(MODEL, headers=("Idempotency-Key: a", "Idempotency-Key: b"))
        assert raw.read().status == 400


def test_a_request_that_no_engine_took_leaves_its_key_free(
    sdk: OpenAI, simulator: RunningSimulator
) -> None:
    simulator.change(context_tokens=3)
    with pytest.raises(openai.BadRequestError):
        ask(sdk, "k", max_tokens=1)
    simulator.change(context_tokens=4096)
    assert ask(sdk, "k", max_tokens=2)
    assert len(events()) == 1


def test_a_refused_retry_uses_up_nothing(
    fresh_database: Database, simulator: RunningSimulator
) -> None:
    issued = seed(simulator.base_url)
    make_rate_limit(tenant=issued.row.tenant, unit="requests", value=2)
    with (
        metered_gateway(fresh_database, issued) as gateway,
        gateway.raw() as raw,
        OpenAI(
            base_url=f"http://127.0.0.1:{gateway.port}/v1",
            api_key=issued.key,
            max_retries=0,
        ) as sdk,
    ):
        await_limits(gateway)
        simulator.change(inter_token_ms=5)
        fields = {"messages": MESSAGES, "max_tokens": 2000}
        stream(gateway, raw, "k", **fields)
        for _ in range(5):
            with pytest.raises(openai.UnprocessableEntityError):
                ask(sdk, "k")
        assert ask(sdk, "other")
        with pytest.raises(openai.RateLimitError):
            ask(sdk, "k")
        assert gateway.process.meter.journal.voided == 5


def test_while_the_database_is_away_only_those_with_a_key_are_told_so(
    sdk: OpenAI, metered: MeteredGateway, fresh_database: Database
) -> None:
    ask(sdk, "first")
    metered.process.claims.is_away = lambda: True
    with pytest.raises(openai.InternalServerError) as refused:
        ask(sdk, "second")
    assert refused.value.status_code == 503
    assert refused.value.response.headers["retry-after"] == "1"
    assert metered.ask().status_code == 200


def test_what_an_engine_broke_off_is_credited_once_it_was_tried_again(
    sdk: OpenAI, metered: MeteredGateway, simulator: RunningSimulator
) -> None:
    simulator.change(fault="die", fault_after_tokens=5, fault_times=1)
    fields = {"messages": MESSAGES, "max_tokens": 20}
    for number, is_done in enumerate((False, True), 1):
        with metered.raw() as raw:
            stream(metered, raw, "k", **fields)
            assert raw.read().is_done is is_done
        # Until then it counts as running.
        wait_until(lambda number=number: len(events()) == number)  # type: ignore[misc]
    broken, whole = events()
    assert (broken.status, broken.output_tokens) == (EventStatus.ENGINE_ERROR, 5)

    credit_retries()
    credit_retries()

    corrections = [event for event in events() if event.corrects]
    assert [event.corrects for event in corrections] == [broken.request_id]
    assert sum(event.charge_picos for event in events()) == whole.charge_picos


def test_of_two_gateways_one_takes_a_key(
    metered: MeteredGateway, fresh_database: Database, simulator: RunningSimulator
) -> None:
    simulator.change(inter_token_ms=5)
    name = {"gateway_name": "gateway-2"}
    with (
        metered_gateway(fresh_database, metered.issued, **name) as other,
        ExitStack() as sockets,
    ):
        clients = [
            sockets.enter_context(gateway.raw())
            for _ in range(10)
            for gateway in (metered, other)
        ]
        for client in clients:
            header = ("Idempotency-Key: k",)
            client.chat(MODEL, stream=True, headers=header, max_tokens=2000)
        answers = [
            client.read_until(lambda so_far: so_far.status > 0) for client in clients
        ]
        assert sorted(answer.status for answer in answers) == [200] + [409] * 19
        for client in clients:
            client.leave()
    assert len(events()) == 1
