"""The tally: by maximum, within reason, whatever an engine says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.openai.usage import TOKENS_MAX, Tally, UsageError
from kit.contracts import TokenCounts

_COUNTS = st.integers(0, 1000)


@given(st.lists(st.tuples(st.integers(0, 3), _COUNTS, _COUNTS), max_size=30))
def test_running_usage_is_the_sum_of_each_choice_s_largest(
    reports: list[tuple[int, int, int]],
) -> None:
    tally = Tally()
    # An engine's counts grow.
    reports.sort(key=lambda report: report[2])
    for choice, prompt, output in reports:
        tally.running(choice, prompt, output)
    largest = {c: max(o for d, _, o in reports if d == c) for c, _, _ in reports}
    assert tally.output_tokens == sum(largest.values())
    counts = tally.counts(output_tokens=tally.output_tokens)
    assert counts.input_tokens == max((p for _, p, _ in reports), default=0)
    assert tally.is_reported == (counts.input_tokens > 0)
    assert not tally.is_final


@given(_COUNTS, _COUNTS, _COUNTS, _COUNTS)
def test_the_final_usage_never_lowers_what_was_counted(
    prompt: int, output: int, final_prompt: int, final_output: int
) -> None:
    tally = Tally()
    tally.running(0, prompt, output)
    final = {"prompt_tokens": final_prompt, "completion_tokens": final_output}
    if final_output < output:
        with pytest.raises(UsageError):
            tally.final(final)
        assert (tally.is_final, tally.output_tokens) == (False, output)
        return
    tally.final(final)
    assert tally.is_final
    assert tally.output_tokens == final_output
    assert tally.counts().input_tokens == max(prompt, final_prompt)


@given(st.integers(1, 1000), st.integers(1, 1000))
def test_running_output_cannot_become_less(output: int, less: int) -> None:
    tally = Tally()
    tally.running(1, 5, output)
    with pytest.raises(UsageError):
        tally.running(1, 5, max(0, output - less))
    assert tally.output_tokens == output


def test_several_prompts_are_added_each_told_by_its_own_choices() -> None:
    tally = Tally(prompts=2, choices_per_prompt=2)
    tally.running(0, 5, 1)
    tally.running(1, 5, 1)
    assert (tally.has_prompt, tally.counts().input_tokens) == (False, 5)
    tally.running(2, 3, 1)
    tally.running(3, 3, 1)
    assert (tally.has_prompt, tally.counts().input_tokens) == (True, 8)
    with pytest.raises(UsageError):
        tally.running(0, TOKENS_MAX, 1)
    tally.final({"prompt_tokens": 8, "completion_tokens": 4})
    assert tally.counts().input_tokens == 8


def test_a_report_that_is_refused_leaves_nothing_behind() -> None:
    tally = Tally()
    details = {"cached_tokens": -1}
    with pytest.raises(UsageError):
        tally.final(
            {
                "prompt_tokens": 5,
                "completion_tokens": 9,
                "prompt_tokens_details": details,
            }
        )
    assert tally.counts() == TokenCounts()
    assert not tally.is_reported


def test_a_count_of_several_choices_is_a_total() -> None:
    tally = Tally()
    tally.running(0, 5, 2)
    tally.running(1, 5, 2)
    tally.at_least(5, 3)
    assert tally.output_tokens == 4
    tally.at_least(6, 9)
    assert (tally.output_tokens, tally.counts().input_tokens) == (9, 6)


@given(_COUNTS, _COUNTS, _COUNTS, _COUNTS, _COUNTS)
def test_classes_partition_and_details_stay_inside(
    prompt: int, cached: int, output: int, reasoning: int, handed_over: int
) -> None:
    tally = Tally()
    tally.final(
        {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }
    )
    counts = tally.counts(output_tokens=handed_over)
    assert counts.input_tokens + counts.cached_input_tokens == prompt
    assert counts.cached_input_tokens == min(cached, prompt)
    assert counts.output_tokens == handed_over
    assert counts.reasoning_tokens == min(reasoning, handed_over)


@pytest.mark.parametrize("details", [{}, {"prompt_tokens_details": None}])
def test_absent_details_mean_nothing_and_an_absent_count_is_refused(
    details: dict[str, None],
) -> None:
    tally = Tally()
    tally.final({"prompt_tokens": 3, "completion_tokens": 0, **details})
    assert tally.counts() == TokenCounts(input_tokens=3)
    for missing in ({"prompt_tokens": 3}, {"completion_tokens": 3}):
        with pytest.raises(UsageError):
            Tally().final(missing)


@pytest.mark.parametrize("value", [-1, TOKENS_MAX + 1, 2**63, 1.0, "7", True, [1]])
@pytest.mark.parametrize(
    "name", ["prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"]
)
def test_a_final_usage_that_cannot_be_is_refused(name: str, value: object) -> None:
    details = {"cached_tokens": 0, "reasoning_tokens": 0} | {name: value}
    usage = {
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "prompt_tokens_details": details,
        "completion_tokens_details": details,
    }
    with pytest.raises(UsageError):
        Tally().final(usage | {name: value})


@pytest.mark.parametrize(
    ("prompt", "output"),
    [(-1, 1), (1, -1), (TOKENS_MAX + 1, 1), (1, TOKENS_MAX + 1)],
)
def test_a_running_usage_that_cannot_be_is_refused(prompt: int, output: int) -> None:
    tally = Tally()
    with pytest.raises(UsageError):
        tally.running(0, prompt, output)
    with pytest.raises(UsageError):
        tally.at_least(prompt, output)
    assert tally.output_tokens == 0


def test_many_choices_together_stay_within_what_an_event_stores() -> None:
    tally = Tally()
    tally.running(0, 1, TOKENS_MAX)
    with pytest.raises(UsageError):
        tally.running(1, 1, 1)
    assert tally.output_tokens == TOKENS_MAX
