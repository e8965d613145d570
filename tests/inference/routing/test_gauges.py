"""What an engine's page of metrics says, whatever else stands on it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.engines.simulator.counters import Counters
from inference.routing.gauges import NAMES, Reading, read

VLLM = NAMES["vllm"]
PAGE = b"""\
# HELP process_start_time_seconds Start time of the process since unix epoch.
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.79e+09
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="a} 9 \\" b"} 3.0
vllm:num_requests_running{engine="1",model_name="m"} 4.0 1790000000000
vllm:num_requests_running_by_reason{reason="x"} 100.0
vllm:num_requests_waiting{engine="0",model_name="m"} 5.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.9101
vllm:generation_tokens_total{engine="0",model_name="m"} 700.0
vllm:generation_tokens_created{engine="0",model_name="m"} 1.7e9
"""


def test_ranks_are_added_up_but_caches_and_likenesses_are_not() -> None:
    assert read(PAGE, VLLM) == Reading(
        requests=12, started=1.79e9, made=700.0, waiting=5, filled_permille=910
    )


def test_the_simulator_is_read_as_vllm() -> None:
    counters = Counters(
        started_at=5.0, running_sequences=2, waiting_sequences=1, generation_tokens=9
    )
    page = counters.prometheus(model='odd"}{\n', places=8).encode()
    assert read(page, VLLM) == Reading(
        requests=3, started=5.0, made=9.0, waiting=1, filled_permille=250
    )


@pytest.mark.parametrize(
    ("dialect", "page", "requests"),
    [
        (
            "llamacpp",
            b"llamacpp:requests_processing 2\nllamacpp:requests_deferred 1\n",
            3,
        ),
        (
            "sglang",
            b'sglang:num_running_reqs{model_name="m"} 2.0\n'
            b'sglang:num_queue_reqs{model_name="m"} 7.0\n',
            9,
        ),
        ("tgi", b"tgi_batch_current_size 4\ntgi_queue_size 0", 4),
    ],
)
def test_each_engine_has_its_own_names(
    dialect: str, page: bytes, requests: int
) -> None:
    said = read(page, NAMES[dialect])
    assert said is not None
    assert said.requests == requests


@pytest.mark.parametrize(
    "page",
    [b"", b"nothing", b"# vllm:num_requests_running 3\n", b"vllm:num_requests_runn"],
)
def test_a_page_without_the_gauge_says_nothing(page: bytes) -> None:
    assert read(page, VLLM) is None


@pytest.mark.parametrize("value", [b"NaN", b"+Inf", b"-Inf", b"x", b"", b"-3", b"1e99"])
def test_nonsense_is_nothing(value: bytes) -> None:
    said = read(b"vllm:num_requests_running " + value + b"\n", VLLM)
    assert said == Reading(requests=0, started=0.0, made=0.0)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_page_is_too_odd_to_be_read(before: bytes, after: bytes) -> None:
    read(before + b"vllm:num_requests_running" + after, VLLM)


def test_an_engine_that_began_anew_is_known() -> None:
    before = Reading(requests=0, started=1.0, made=10.0)
    assert not Reading(5, started=1.0, made=10.0).is_of_another_process(before)
    assert Reading(0, started=2.0, made=50.0).is_of_another_process(before)
    assert Reading(0, started=1.0, made=3.0).is_of_another_process(before)
