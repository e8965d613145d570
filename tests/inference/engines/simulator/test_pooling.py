"""What the simulator answers where nothing is generated: vLLM's forms, exact counts."""

import base64
import math
import struct
from typing import Any

import httpx
import orjson
import pytest

from inference.engines.simulator.faults import FAULTS
from tests.inference.engines.simulator.running import (
    RunningSimulator,
    running_simulator,
)

# As a vLLM 0.32 with a pooling model answered, its scores and lengths aside.
SCORED = {
    "id": "score-851465636ef2cbf2",
    "object": "list",
    "created": 1795310743,
    "model": "tiny",
    "data": [{"index": 0, "object": "score", "score": 0.6167304515838623}],
    "usage": {
        "prompt_tokens": 15,
        "total_tokens": 15,
        "completion_tokens": 0,
        "prompt_tokens_details": None,
        "completion_tokens_details": None,
    },
}
RANKED = {
    "id": "score-80669a6104c6cf1a",
    "model": "tiny",
    "usage": {"prompt_tokens": 16, "total_tokens": 16},
    "results": [
        {
            "index": 0,
            "document": {"text": "hello world", "multi_modal": None},
            "relevance_score": 0.6167304515838623,
        }
    ],
}


def post(simulator: RunningSimulator, path: str, **fields: Any) -> dict[str, Any]:
    """Post a body and return the answer, which must be one."""
    answer = simulator.client.post(path, json={"model": "sim", **fields})
    assert answer.status_code == 200, answer.text
    parsed: dict[str, Any] = answer.json()
    return parsed


def keys_of(value: Any) -> Any:
    """Return the form of a parsed answer: names in their order, and no values."""
    if isinstance(value, dict):
        return [(name, keys_of(each)) for name, each in value.items()]
    return [keys_of(each) for each in value] if isinstance(value, list) else None


def test_the_forms_are_vllm_s(simulator: RunningSimulator) -> None:
    scored = post(simulator, "/v1/score", text_1="hello", text_2="hello world")
    assert keys_of(scored) == keys_of(SCORED)
    ranked = post(
        simulator, "/v1/rerank", query="hello", documents=["hello world", "a"], top_n=1
    )
    assert keys_of(ranked) == keys_of(RANKED)
    embedded = post(simulator, "/v1/embeddings", input="a", dimensions=2)
    assert [name for name, _ in keys_of(embedded)] == list(SCORED)


def test_a_vector_is_its_text_s_own_and_of_length_one(
    simulator: RunningSimulator,
) -> None:
    inputs = ["a b", "a c", "a b"]
    floats = post(simulator, "/v1/embeddings", input=inputs, dimensions=8)
    first, second, again = (each["embedding"] for each in floats["data"])
    assert first == again != second
    assert math.hypot(*first) == pytest.approx(1)
    packed = post(
        simulator,
        "/v1/embeddings",
        input="a b",
        dimensions=8,
        encoding_format="base64",
    )
    data = base64.b64decode(packed["data"][0]["embedding"])
    assert list(struct.unpack("<8f", data)) == first


def test_every_word_that_is_read_is_counted_and_none_is_made(
    simulator: RunningSimulator,
) -> None:
    usages = [
        post(simulator, path, **fields)["usage"]["prompt_tokens"]
        for path, fields in (
            ("/v1/embeddings", {"input": ["a b", [1, 2, 3]]}),
            ("/v1/rerank", {"query": "a b", "documents": ["x", "a b c"]}),
            ("/v1/score", {"queries": ["a", "b"], "documents": ["c", "d"]}),
        )
    ]
    assert usages == [5, 8, 4]
    stats = simulator.stats()
    assert stats["prompt_tokens"] == sum(usages)
    assert stats["generation_tokens"] == 0


def test_the_best_document_comes_first(simulator: RunningSimulator) -> None:
    documents = ["x", "b", "b a"]
    ranked = post(simulator, "/v1/rerank", query="a b", documents=documents)
    assert [each["index"] for each in ranked["results"]] == [2, 1, 0]


def test_lists_of_two_lengths_are_refused_in_vllm_s_words(
    simulator: RunningSimulator,
) -> None:
    body = {"queries": ["a", "b"], "documents": ["a", "b", "c"]}
    answer = simulator.client.post("/v1/score", json=body)
    assert answer.status_code == 400
    assert "1:1, 1:N or N:N" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "fault",
    # The first answer never comes, the next one is a stray one, or all is well.
    sorted(set(FAULTS) - {"silent", "hang", "stray_bytes", "tokenize_refuse"}),
)
@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/rerank"])
def test_no_fault_breaks_the_simulator_itself(fault: str, path: str) -> None:
    fields = {"input": "a b", "query": "a", "documents": ["b"]}
    with running_simulator(fault=fault, fault_times=1) as simulator:
        try:
            answer = simulator.client.post(path, json=fields)
            spoilt = answer.status_code != 200 or not _is_honest(answer.content)
        except httpx.HTTPError:
            spoilt = True
        # These need tokens that are made.
        assert spoilt or fault in {"abort", "falling_usage"}
        assert post(simulator, "/v1/embeddings", input="a")["data"]


def _is_honest(body: bytes) -> bool:
    try:
        usage = orjson.loads(body).get("usage")
    except orjson.JSONDecodeError:
        return False
    return usage is not None and usage.get("prompt_tokens") in (1, 2)
