"""An engine's counters are read as what they are: whole numbers, added over labels."""

from tests.engines.engine import EngineCounters, parse_samples

EXPOSITION = """\
# HELP vllm:prompt_tokens_total Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{engine="0",model_name="tiny"} 15342.0
vllm:prompt_tokens_total{engine="1",model_name="tiny"} 1.5342e+06
vllm:prompt_tokens_created{engine="0",model_name="tiny"} 1.795251976658501e+09
vllm:generation_tokens_total{engine="0",model_name="a \\"}\\" b"} 7.0
vllm:num_requests_running{engine="0"} 0.0
process_open_fds 31.0
python_info{version="3.11.7"} NaN
"""


def test_samples_are_added_up_over_their_labels() -> None:
    samples = parse_samples(EXPOSITION)
    assert samples["vllm:prompt_tokens_total"] == 15342 + 1534200
    assert samples["vllm:num_requests_running"] == 0
    assert samples["process_open_fds"] == 31


def test_what_has_a_fraction_or_no_value_is_no_count() -> None:
    samples = parse_samples(EXPOSITION)
    assert "vllm:prompt_tokens_created" not in samples
    assert "python_info" not in samples


def test_a_label_may_hold_brackets() -> None:
    assert parse_samples(EXPOSITION)["vllm:generation_tokens_total"] == 7


def test_growth_is_taken_counter_by_counter() -> None:
    before = EngineCounters(prompt_tokens=1, cached_tokens=2, generation_tokens=3)
    after = EngineCounters(prompt_tokens=11, cached_tokens=22, generation_tokens=33)
    assert after - before == EngineCounters(
        prompt_tokens=10, cached_tokens=20, generation_tokens=30
    )
