"""The counters: what a bill should say, and what vLLM's metrics say."""

from inference.engines.simulator.counters import Counters
from tests.inference.engines.simulator.running import RunningSimulator, events_of


def test_counters_equal_the_usage_of_mixed_calls(simulator: RunningSimulator) -> None:
    usages = []
    for number in range(1, 13):
        streamed = number % 2 == 0
        answer = simulator.chat(
            max_tokens=number,
            n=1 + number % 3,
            stream=streamed,
            stream_options={"include_usage": True} if streamed else None,
        )
        body = events_of(answer.text)[-1] if streamed else answer.json()
        usages.append(body["usage"])
    completion = sum(usage["completion_tokens"] for usage in usages)
    assert simulator.stats() == {
        "requests": 12,
        "prompt_tokens": sum(usage["prompt_tokens"] for usage in usages),
        "generation_tokens": completion,
        "running": 0,
        "sequences_running": 0,
        "sequences_waiting": 0,
        "open": 0,
        "connections": 1,
        "aborted": 0,
        "faults": 0,
    }
    assert simulator.metric("generation_tokens_total") == completion
    # Each choice reads the prompt for itself: ten tokens, 4 x (1 + 2 + 3) choices.
    assert simulator.metric("prompt_tokens_total") == 10 * 24
    ended = '{engine="0",finished_reason="length",model_name="sim"} 24.0'
    assert f"vllm:request_success_total{ended}" in simulator.client.get("/metrics").text


def test_running_sequences_are_seen_while_they_run(simulator: RunningSimulator) -> None:
    simulator.change(first_token_ms=3_600_000)
    with simulator.open_chat(stream=True, n=3):
        simulator.await_stats(lambda stats: stats["running"] == 1)
        assert simulator.metric("num_requests_running") == 3
    simulator.await_stats(lambda stats: stats["running"] == 0)
    assert simulator.metric("num_requests_running") == 0


def test_tokenize_counts_what_usage_counts(simulator: RunningSimulator) -> None:
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "wörter zählen 数"}]},
    ]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    asked = {"messages": messages, "tools": tools, "return_token_strs": True}
    counted = simulator.client.post("/tokenize", json=asked).json()
    answered = simulator.chat(messages=messages, tools=tools).json()
    assert counted["count"] == answered["usage"]["prompt_tokens"]
    assert counted["count"] == len(counted["tokens"]) == len(counted["token_strs"])
    assert counted["max_model_len"] == 32_768
    for prompt in ("", "one two"):
        counted = simulator.client.post("/tokenize", json={"prompt": prompt}).json()
        completion = simulator.client.post("/v1/completions", json={"prompt": prompt})
        assert counted["count"] == completion.json()["usage"]["prompt_tokens"]
        assert counted["token_strs"] is None
    assert simulator.client.post("/tokenize", json={}).status_code == 400
    # As in vLLM, one prompt at a time: a batch is counted prompt by prompt.
    batch = ["one two", "", "a b c"]
    assert simulator.client.post("/tokenize", json={"prompt": batch}).status_code == 400
    counts = [
        simulator.client.post("/tokenize", json={"prompt": prompt}).json()["count"]
        for prompt in batch
    ]
    completion = simulator.client.post("/v1/completions", json={"prompt": batch}).json()
    assert completion["usage"]["prompt_tokens"] == sum(counts)
    unknown = {"model": "nope", "prompt": "a"}
    assert simulator.client.post("/tokenize", json=unknown).status_code == 404


def test_a_large_count_keeps_every_token() -> None:
    counters = Counters(started_at=1.5, generation_tokens=2**53 - 1)
    page = counters.prometheus(model="m")
    assert (
        f'vllm:generation_tokens_total{{engine="0",model_name="m"}} {2**53 - 1}.0'
        in page
    )
    assert "process_start_time_seconds 1.50\n" in page
