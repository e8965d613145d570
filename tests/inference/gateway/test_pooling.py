"""Embeddings, ranks and scores: billed by what was read, whatever becomes of them."""

from typing import Any

import httpx
import openai
import orjson
import pytest

from inference.control import services
from inference.control.models import ServedModel
from inference.openai.tasks import Task
from kit.contracts import CountedBy, EventStatus, Surface, TokenCounts
from kit.orm.roles import as_operator
from metering.usage.models import Event
from tests.databases import Database
from tests.inference.engines import wire
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.limited import quota
from tests.inference.gateway.metered import MODEL, events, metered_gateway, seed
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway

TASKS = [Task.EMBEDDING.value, Task.RERANK.value, Task.SCORE.value]
QUERY = {"query": "a b", "documents": ["x", "a b c"]}
PAIRED = 2 + 1 + 2 + 3


@pytest.fixture
def model(gateway: RunningGateway, simulator: RunningSimulator) -> str:
    """Publish a model that reads."""
    return gateway.serve(simulator.base_url, upstream_model="sim", tasks=TASKS)


def post(gateway: RunningGateway, path: str, **fields: Any) -> httpx.Response:
    """Post a body."""
    return gateway.client.post(path, json=fields)


def test_the_sdk_reads_embeddings_in_both_forms(
    gateway: RunningGateway, model: str
) -> None:
    sdk = gateway.openai()
    texts = ["one two", "three"]
    packed = sdk.embeddings.create(model=model, input=texts, dimensions=12)
    floats = sdk.embeddings.create(
        model=model, input=texts, dimensions=12, encoding_format="float"
    )
    assert packed.model == floats.model == model
    assert [len(each.embedding) for each in packed.data] == [12, 12]
    for one, other in zip(packed.data, floats.data, strict=True):
        assert one.embedding == pytest.approx(other.embedding)
    assert packed.usage.prompt_tokens == floats.usage.prompt_tokens == 3
    assert [outcome.counts for outcome in gateway.meter.outcomes] == [
        TokenCounts(input_tokens=3)
    ] * 2


def test_token_ids_are_their_own_count(
    gateway: RunningGateway, simulator: RunningSimulator, model: str
) -> None:
    answer = gateway.openai().embeddings.create(model=model, input=[[1, 2, 3], [4]])
    assert answer.usage.prompt_tokens == 4 == simulator.stats()["prompt_tokens"]


def test_ranks_and_scores_are_billed_as_the_engine_counted(
    gateway: RunningGateway, simulator: RunningSimulator, model: str
) -> None:
    ranked = post(gateway, "/v1/rerank", model=model, top_n=1, **QUERY).json()
    assert ranked["model"] == model
    assert [each["index"] for each in ranked["results"]] == [1]
    assert ranked["usage"]["total_tokens"] == PAIRED

    scored = post(
        gateway, "/v1/score", model=model, text_1="a b", text_2=["x", "a b c"]
    ).json()
    assert [each["score"] for each in scored["data"]] == [0.0, 1.0]
    surfaces = [admission.surface for admission, _ in gateway.meter.settled]
    assert surfaces == [Surface.RERANK, Surface.SCORE]
    counts = [outcome.counts for outcome in gateway.meter.outcomes]
    assert counts == [TokenCounts(input_tokens=PAIRED)] * 2
    assert simulator.stats()["prompt_tokens"] == 2 * PAIRED


@pytest.mark.parametrize("wanted", [True, False, None])
def test_documents_come_back_as_asked(
    gateway: RunningGateway, model: str, wanted: bool | None
) -> None:
    answer = post(
        gateway, "/v1/rerank", model=model, return_documents=wanted, **QUERY
    ).json()
    shown = [result.get("document", {}).get("text") for result in answer["results"]]
    assert shown == ([None, None] if wanted is False else ["a b c", "x"])


def test_a_key_without_the_right_reads_nothing(
    gateway: RunningGateway, model: str
) -> None:
    sdk = gateway.openai(gateway.issue_key(tenant_id=3, scopes=["generate"]))
    with pytest.raises(openai.PermissionDeniedError):
        sdk.embeddings.create(model=model, input="a")
    assert not gateway.meter.admissions


def test_a_model_that_only_writes_is_named(
    gateway: RunningGateway, simulator: RunningSimulator
) -> None:
    with pytest.raises(openai.BadRequestError, match="does not serve '/v1/embedd"):
        gateway.openai().embeddings.create(
            model=gateway.serve(simulator.base_url), input="a"
        )
    assert simulator.stats()["requests"] == 0


def test_a_budget_ends_at_its_last_token(
    gateway: RunningGateway, simulator: RunningSimulator, model: str
) -> None:
    place = quota(gateway, "input_tokens", 10)
    codes = []
    for _ in range(4):
        # The bound of four words is far above what is left: they are counted.
        answer = post(gateway, "/v1/embeddings", model=model, input=["a b", "c d"])
        codes.append(answer.status_code)
    assert codes == [200, 200, 429, 429]
    assert answer.json()["error"]["code"] == "insufficient_quota"
    assert gateway.meter.budgets.posted[place] == 8
    assert simulator.stats()["prompt_tokens"] == 8


def test_a_client_that_leaves_pays_for_what_was_read(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
) -> None:
    simulator.change(first_token_ms=60_000)
    raw.post("/v1/embeddings", {"model": model, "input": ["a b", "c", "d e f"]})
    simulator.await_stats(lambda stats: stats["requests"] == 1)
    raw.leave()
    wait_until(lambda: gateway.meter.settled)
    [outcome] = gateway.meter.outcomes
    assert outcome.status is EventStatus.CLIENT_GONE
    assert outcome.counts == TokenCounts(input_tokens=6)
    assert outcome.counted_by is CountedBy.TOKENIZER


def test_who_leaves_a_query_pays_for_it_once(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
) -> None:
    simulator.change(first_token_ms=60_000)
    raw.post("/v1/rerank", {"model": model, **QUERY})
    simulator.await_stats(lambda stats: stats["requests"] == 1)
    raw.leave()
    wait_until(lambda: gateway.meter.settled)
    assert gateway.meter.outcomes[0].counts == TokenCounts(input_tokens=6)


@pytest.mark.parametrize("size", [4, 30_000])
def test_what_an_engine_does_not_count_is_counted(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, size: int
) -> None:
    simulator.change(fault="no_usage")
    answer = gateway.openai().embeddings.create(
        model=model, input=["a b", "c"], dimensions=size, encoding_format="float"
    )
    assert answer.usage.prompt_tokens == 3
    assert [len(each.embedding) for each in answer.data] == [size, size]
    [outcome] = gateway.meter.outcomes
    assert outcome.counts == TokenCounts(input_tokens=3)
    assert outcome.counted_by is CountedBy.TOKENIZER


@pytest.mark.parametrize("fault", ["wrong_usage_negative", "garbage", "early_end"])
def test_a_broken_answer_costs_nothing(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, fault: str
) -> None:
    simulator.change(fault=fault)
    answer = post(gateway, "/v1/rerank", model=model, **QUERY)
    assert answer.status_code == 502
    [outcome] = gateway.meter.outcomes
    assert outcome.status is EventStatus.ENGINE_ERROR
    assert outcome.counts == TokenCounts()


def test_twenty_mebibytes_of_vectors_are_not_parsed_whole(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = [
        {"index": at, "object": "embedding", "embedding": [at + 0.123456789] * 1024}
        for at in range(1500)
    ]
    usage = {"prompt_tokens": 9, "total_tokens": 9}
    body = {"object": "list", "data": data, "model": "upstream", "usage": usage}
    whole = orjson.dumps(body)
    assert len(whole) > 20 * 1024 * 1024

    def answering(side: EngineSide) -> None:
        assert side.request() is not None
        side.send(wire.whole(whole))

    # A loop that parses this much answers nobody else meanwhile.
    parsed: list[int] = []
    loads = orjson.loads

    def noted(text: bytes) -> Any:
        parsed.append(len(text))
        return loads(text)

    monkeypatch.setattr(orjson, "loads", noted)
    with scripted_engine(answering) as engine:
        name = gateway.serve(engine.url, upstream_model="upstream", tasks=TASKS)
        answer = post(gateway, "/v1/embeddings", model=name, input="a")
    assert answer.status_code == 200
    assert answer.content == whole.replace(b'"upstream"', f'"{name}"'.encode())
    assert max(parsed) < len(whole) / 100
    assert gateway.meter.outcomes[0].counts == TokenCounts(input_tokens=9)


def test_the_ledger_s_events_hold_what_was_read(
    fresh_database: Database, simulator: RunningSimulator
) -> None:
    issued = seed(simulator.base_url)
    with as_operator():
        row = ServedModel.objects.get(name=MODEL)
        services.update_model(model=row, tasks=TASKS)
    with metered_gateway(fresh_database, issued) as gateway:
        for path, fields in (
            ("/v1/embeddings", {"input": ["a b", "c"]}),
            ("/v1/rerank", QUERY),
            ("/v1/score", {"text_1": "a", "text_2": "b c"}),
        ):
            answer = gateway.client.post(path, json={"model": MODEL, **fields})
            assert answer.status_code == 200, answer.text
        wait_until(lambda: len(events()) == 3)
    rows: list[Event] = events()
    assert [(row.surface, row.input_tokens, row.output_tokens) for row in rows] == [
        (Surface.EMBEDDINGS, 3, 0),
        (Surface.RERANK, PAIRED, 0),
        (Surface.SCORE, 3, 0),
    ]
    assert all(row.charge_picos > 0 for row in rows)
