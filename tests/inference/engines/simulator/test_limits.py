"""The queue and the prefix cache over HTTP: what clients are told, what is counted."""

from typing import Any

import pytest

from inference.engines.simulator import delivered_tokens
from tests.inference.engines.simulator.running import (
    RunningSimulator,
    events_of,
    running_simulator,
    text_of,
)

STREAM = {"stream": True, "stream_options": {"include_usage": True}}
FRAME = 7


def test_choices_beyond_the_places_wait_and_are_served(
    simulator: RunningSimulator,
) -> None:
    simulator.change(sequences_max=2)
    *events, last = events_of(simulator.chat(max_tokens=9, n=5, **STREAM).text)
    assert [delivered_tokens(text_of(events, index=index)) for index in range(5)] == [
        9
    ] * 5
    assert last["usage"]["completion_tokens"] == 45
    whole = simulator.chat(max_tokens=9, n=5).json()
    assert [choice["index"] for choice in whole["choices"]] == [0, 1, 2, 3, 4]


def test_running_and_waiting_sequences_are_seen(simulator: RunningSimulator) -> None:
    simulator.change(sequences_max=2, first_token_ms=3_600_000)
    with simulator.open_chat(n=3), simulator.open_chat(stream=True) as waiting:
        stats = simulator.await_stats(lambda stats: stats["open"] == 2)
        assert (stats["running"], stats["sequences_running"]) == (1, 2)
        assert stats["sequences_waiting"] == 2
        assert simulator.metric("num_requests_running") == 2
        assert simulator.metric("num_requests_waiting") == 2
        waiting.close()
        stats = simulator.await_stats(lambda stats: stats["open"] == 1)
        assert (stats["sequences_waiting"], stats["aborted"]) == (1, 1)
    stats = simulator.await_stats(lambda stats: stats["open"] == 0)
    assert stats["sequences_running"] == stats["sequences_waiting"] == 0
    assert stats["prompt_tokens"] == 0


def test_a_full_line_is_refused_in_vllms_words(simulator: RunningSimulator) -> None:
    simulator.change(sequences_max=1, waiting_max=2, first_token_ms=3_600_000)
    with simulator.open_chat(), simulator.open_chat():
        simulator.await_stats(lambda stats: stats["sequences_waiting"] == 1)
        refused = simulator.chat(n=2, **STREAM)
        assert (refused.status_code, refused.json()) == (
            503,
            {
                "error": {
                    "message": "The engine is currently busy and cannot accept new "
                    "requests. Please try again later or on a different instance.",
                    "type": "Service Unavailable",
                    "param": None,
                    "code": 503,
                }
            },
        )
        rejected = (
            'vllm:admission_rejections_total{model_name="sim",'
            'reason="max_num_queued_reqs"} 1.0'
        )
        assert rejected in simulator.client.get("/metrics").text
        with simulator.open_chat():
            simulator.await_stats(lambda stats: stats["sequences_waiting"] == 2)
    simulator.await_stats(lambda stats: stats["open"] == 0)
    # A request that need not wait is never refused, however many choices it has.
    simulator.change(sequences_max=0, first_token_ms=0)
    assert simulator.chat(n=9).status_code == 200


def test_a_frozen_answer_keeps_its_place(simulator: RunningSimulator) -> None:
    simulator.change(sequences_max=1, fault="hang", fault_after_tokens=2, fault_times=1)
    with simulator.open_chat(stream=True):
        simulator.await_stats(lambda stats: stats["faults"] == 1)
        with simulator.open_chat(stream=True, max_tokens=5):
            simulator.await_stats(lambda stats: stats["sequences_waiting"] == 1)
    stats = simulator.await_stats(lambda stats: stats["open"] == 0)
    assert stats["sequences_running"] == stats["sequences_waiting"] == 0


def test_a_frozen_answer_stays_frozen_when_its_next_choice_gets_a_place(
    simulator: RunningSimulator,
) -> None:
    simulator.change(sequences_max=1, fault="hang", fault_after_tokens=2, fault_times=1)
    with simulator.open_chat(stream=True, n=2, max_tokens=5):
        simulator.await_stats(lambda stats: stats["faults"] == 1)
        simulator.change(sequences_max=3)
        simulator.await_stats(lambda stats: stats["sequences_running"] == 2)
        # Another answer takes its turns of the loop; the frozen one has no part in it.
        assert simulator.chat(stream=True, max_tokens=30).status_code == 200
        assert simulator.stats()["generation_tokens"] == 32


def cached(usage: dict[str, Any]) -> int:
    """Return what a usage says of the cache."""
    count: int = usage["prompt_tokens_details"]["cached_tokens"]
    return count


def test_cached_tokens_are_reported_and_counted() -> None:
    message = {"role": "user", "content": "w " * 50}
    with running_simulator(prefix_cache_blocks=100) as simulator:
        whole = simulator.chat(messages=[message]).json()["usage"]
        assert whole["prompt_tokens"] == 50 + FRAME
        assert (cached(whole), _created(whole)) == (0, 48)
        whole = simulator.chat(messages=[message]).json()["usage"]
        assert (cached(whole), _created(whole)) == (48, 0)
        longer = [message, {"role": "user", "content": "and more"}]
        *_, last = events_of(simulator.chat(messages=longer, **STREAM).text)
        # Message and reply markers differ after 53 tokens, so whole blocks end at 48.
        assert (cached(last["usage"]), _created(last["usage"])) == (48, 0)
        prompt = {"prompt": "v " * 40}
        for expected in (0, 32):
            answer = simulator.client.post("/v1/completions", json=prompt).json()
            assert cached(answer["usage"]) == expected
            assert _created(answer["usage"]) is None
        assert simulator.metric("prefix_cache_queries_total") == 57 * 2 + 63 + 40 * 2
        assert simulator.metric("prefix_cache_hits_total") == 48 * 2 + 32
        assert simulator.metric("prompt_tokens_cached_total") == 48 * 2 + 32


def _created(usage: dict[str, Any]) -> object:
    return usage["prompt_tokens_details"]["created_cache_tokens"]


def test_salts_do_not_share_and_choices_do() -> None:
    with running_simulator(prefix_cache_blocks=100) as simulator:
        body = {"prompt": "w " * 33, "n": 3}
        for salt in ("a", "b", None):
            asked = body | {"cache_salt": salt}
            usage = simulator.client.post("/v1/completions", json=asked).json()["usage"]
            # The first choice's find is told; the other two found what it made.
            assert cached(usage) == 0
        assert simulator.metric("prompt_tokens_cached_total") == 3 * 2 * 32


def test_a_prompt_is_queried_when_it_is_computed_and_counted_with_a_token(
    simulator: RunningSimulator,
) -> None:
    simulator.change(prefix_cache_blocks=10, first_token_ms=3_600_000)
    simulator.change(sequences_max=1)
    with simulator.open_chat(), simulator.open_chat():
        simulator.await_stats(lambda stats: stats["open"] == 2)
        assert simulator.metric("prefix_cache_queries_total") == 10
        assert simulator.metric("prompt_tokens_total") == 0
    simulator.await_stats(lambda stats: stats["open"] == 0)
    assert simulator.metric("prompt_tokens_total") == 0


@pytest.mark.parametrize("salt", ["", "a/b"])
def test_a_bad_salt_is_a_400(simulator: RunningSimulator, salt: str) -> None:
    assert simulator.chat(cache_salt=salt).status_code == 400
    assert simulator.stats()["requests"] == 0
