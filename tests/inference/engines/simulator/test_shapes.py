"""The simulator's answers have the shapes that a real vLLM 0.32 sent.

The files under `vllm/` were recorded from one (a tiny model, a context of 1024, usage
forced on). Shape: the keys in their order, and for every value its JSON type.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.inference.engines.simulator.running import (
    RunningSimulator,
    events_of,
    running_simulator,
)

RECORDED = Path(__file__).parent / "vllm"
CHAT = {
    "model": "tiny-llama",
    "messages": [
        {"role": "system", "content": "You are a test."},
        {"role": "user", "content": "Count the lines of the file and say them."},
    ],
}
RUNNING_USAGE = {"include_usage": True, "continuous_usage_stats": True}


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    """Give a simulator that is set up as the recorded engine was."""
    with running_simulator(
        model="tiny-llama", context_tokens=1024, finish_with_text=True
    ) as running:
        yield running


def shape(value: Any) -> Any:
    """Return `value` with every leaf replaced by its type."""
    if isinstance(value, dict):
        return [(key, shape(each)) for key, each in value.items()]
    if isinstance(value, list):
        return ["list", *map(shape, value)]
    return type(value).__name__


@pytest.mark.parametrize(
    ("name", "path", "body"),
    [
        ("chat", "/v1/chat/completions", CHAT | {"max_tokens": 12}),
        ("chat_two_choices", "/v1/chat/completions", CHAT | {"max_tokens": 5, "n": 2}),
        ("completion", "/v1/completions", {"prompt": "import os", "max_tokens": 5}),
        (
            "completion_batch",
            "/v1/completions",
            {"prompt": ["import os", "def f"], "max_tokens": 3},
        ),
        ("tokenize", "/tokenize", {"prompt": "import os"}),
    ],
)
def test_a_whole_answer(
    simulator: RunningSimulator, name: str, path: str, body: dict[str, Any]
) -> None:
    recorded = json.loads((RECORDED / f"{name}.json").read_text())
    answer = simulator.client.post(path, json=body)
    assert shape(answer.json()) == shape(recorded)
    for same in ("object", "max_model_len"):
        assert answer.json().get(same) == recorded.get(same)


@pytest.mark.parametrize(
    ("name", "path", "body"),
    [
        ("chat_stream", "/v1/chat/completions", CHAT | {"max_tokens": 8}),
        (
            "chat_stream_two_choices",
            "/v1/chat/completions",
            CHAT | {"max_tokens": 4, "n": 2},
        ),
        (
            "completion_stream",
            "/v1/completions",
            {"prompt": "import os", "max_tokens": 4},
        ),
    ],
)
def test_a_stream(
    simulator: RunningSimulator, name: str, path: str, body: dict[str, Any]
) -> None:
    recorded = events_of((RECORDED / f"{name}.sse").read_text() + "\n")
    streamed = {"stream": True, "stream_options": RUNNING_USAGE}
    answer = simulator.client.post(path, json=body | streamed)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = events_of(answer.text)
    assert [shape(event) for event in events] == [shape(event) for event in recorded]

    def sequence(of: list[dict[str, Any]]) -> list[Any]:
        return [
            (
                event["object"],
                event["usage"]["completion_tokens"],
                [(each["index"], each["finish_reason"]) for each in event["choices"]],
            )
            for event in of
        ]

    assert sequence(events) == sequence(recorded)


@pytest.mark.parametrize("case", json.loads((RECORDED / "refusals.json").read_text()))
def test_a_refusal_is_word_for_word(
    simulator: RunningSimulator, case: dict[str, Any]
) -> None:
    answer = simulator.client.request(
        case["method"],
        case["path"],
        content=case["request"].replace("<1030 words>", "w " * 1030),
        headers={"content-type": case["content_type"]},
    )
    assert (answer.status_code, answer.json()) == (case["status"], case["body"])
    assert answer.headers["content-type"] == "application/json"
    assert simulator.stats()["requests"] == 0


def test_models_health_and_version(simulator: RunningSimulator) -> None:
    recorded = json.loads((RECORDED / "models.json").read_text())
    assert shape(simulator.client.get("/v1/models").json()) == shape(recorded)
    health = simulator.client.get("/health")
    assert (health.status_code, health.content) == (200, b"")
    assert "content-type" not in health.headers
    assert simulator.client.get("/version").json() == {"version": "0.32.0"}
    wrong_method = simulator.client.get("/v1/completions")
    assert wrong_method.headers["allow"] == "POST"


def test_metrics_have_the_recorded_names_labels_and_types(
    simulator: RunningSimulator,
) -> None:
    def without_values(page: str) -> list[str]:
        return sorted(
            line if line.startswith("#") else line.rpartition(" ")[0]
            for line in page.splitlines()
        )

    answer = simulator.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"
    recorded = (RECORDED / "metrics.txt").read_text()
    assert without_values(answer.text) == without_values(recorded)
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            float(line.rpartition(" ")[2])


def test_unknown_fields_are_ignored(simulator: RunningSimulator) -> None:
    answer = simulator.client.post("/v1/chat/completions", json=CHAT | {"zzz": 1})
    assert answer.status_code == 200


def test_what_only_the_standard_library_reads_is_answered_and_quoted(
    simulator: RunningSimulator,
) -> None:
    for path, body, status in (
        ("/v1/completions", rb'{"prompt": "a \ud800", "zzz": NaN}', 200),
        ("/v1/completions", rb'{"prompt": "a", "model": "\ud800", "zzz": NaN}', 404),
        ("/tokenize", rb'{"prompt": "a \ud800", "return_token_strs": true}', 200),
        (
            "/v1/chat/completions",
            rb'{"messages": [{}], "tools": ["\ud800", NaN, 1%s]}' % (b"0" * 40),
            200,
        ),
    ):
        headers = {"content-type": "application/json"}
        answer = simulator.client.post(path, content=body, headers=headers)
        assert answer.status_code == status, answer.text
