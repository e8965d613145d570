"""The fit: every probe is bounded, and what the probes stand for is too."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.control.calibration.asking import measured
from inference.control.calibration.fitting import (
    MARGIN_TOKENS,
    Observation,
    fit,
    slack,
)
from inference.control.calibration.probes import LONG_BYTES, probes
from inference.openai.prompt_bound import DEFAULT, Measures, PromptBound, bound
from inference.openai.requests import GenerationRequest
from inference.tokenizers import encodings
from inference.tokenizers.prompts import prompt_tokens
from inference.tokenizers.shipped import SHIPPED
from kit.contracts import Surface
from tests.inference.openai.chats import CHATS, COMPLETIONS
from tests.inference.openai.counting import simulated

PROBES = probes()
Count = Callable[[GenerationRequest], int]


def tiktoken_s(name: str) -> Count:
    """Return what counts with a real tokenizer."""

    def count(request: GenerationRequest) -> int:
        return prompt_tokens(
            request,
            shipped=SHIPPED[name],
            count_text=lambda text: encodings.text_tokens(name, text),
        )

    return count


COUNTS: dict[str, Count] = {
    "simulator": simulated,
    **{name: tiktoken_s(name) for name in SHIPPED},
}


def seen_by(count: Count) -> list[Observation]:
    return [
        Observation(each.family, measured(each.request), count(each.request))
        for each in PROBES
    ]


@pytest.mark.parametrize("name", COUNTS)
def test_every_probe_is_bounded_with_a_margin(name: str) -> None:
    seen = seen_by(COUNTS[name])
    factors = fit(seen)
    over = slack(factors, seen)
    assert min(over) >= 1
    long = [
        (each, above)
        for each, above in zip(seen, over, strict=True)
        if each.measures.text_bytes > LONG_BYTES and factors.per_byte_milli != 1000
    ]
    assert all(above >= each.tokens // 11 for each, above in long)


@pytest.mark.parametrize("name", COUNTS)
@settings(deadline=None)
@given(data=st.data())
def test_what_was_fitted_bounds_any_request(name: str, data: st.DataObject) -> None:
    request = data.draw(CHATS | COMPLETIONS)
    factors = FITTED.setdefault(name, None) or fit(seen_by(COUNTS[name]))
    FITTED[name] = factors
    bounded = bound(request, factors, context_tokens=10**9)
    assert bounded >= COUNTS[name](request)


FITTED: dict[str, PromptBound | None] = {}


def test_known_factors_are_found_again() -> None:
    real = PromptBound(400, 900, 7, 30, 50, 200)
    seen = [
        Observation(each.family, measures, real.tokens(measures))
        for each in PROBES
        for measures in (measured(each.request),)
    ]
    factors = fit(seen)
    assert 440 <= factors.per_byte_milli <= 450
    assert 990 <= factors.per_structure_byte_milli <= 1010
    assert 8 <= factors.per_message <= 11
    assert 30 <= factors.per_tool <= 40
    assert MARGIN_TOKENS <= factors.base <= 60 + MARGIN_TOKENS
    assert MARGIN_TOKENS <= factors.base_tools <= 250 + MARGIN_TOKENS
    # The constants are held together, whichever of them says so.
    assert min(slack(factors, seen)) >= 0


def test_one_token_a_byte_is_the_most_unless_more_was_seen() -> None:
    def factor(tokens_per_byte: float) -> int:
        seen = [
            Observation("text", Measures(size), round(size * tokens_per_byte))
            for size in (100, 1100)
        ]
        return fit(seen).per_byte_milli

    assert factor(0.5) == 550
    assert factor(0.95) == 1000
    assert factor(1) == 1000
    assert factor(2) == 2200


def test_what_nobody_counted_keeps_the_default() -> None:
    texts = [each for each in seen_by(simulated) if not each.measures.chats]
    factors = fit(texts)
    assert factors.per_byte_milli == 550
    assert factors.base == DEFAULT.base
    assert factors.base_tools == DEFAULT.base_tools
    assert factors.per_structure_byte_milli > DEFAULT.per_structure_byte_milli
    assert factors.per_tool > DEFAULT.per_tool
    assert min(slack(factors, texts)) >= 1
    assert fit([]).per_byte_milli == DEFAULT.per_byte_milli


def test_engines_that_differ_are_bounded_together() -> None:
    one, other = Measures(100), Measures(1100)
    seen = [
        Observation("1 text", one, 10),
        Observation("1 text", other, 110),
        Observation("2 text", one, 90),
        Observation("2 text", other, 690),
    ]
    factors = fit(seen)
    assert factors.per_byte_milli == 660
    assert min(slack(factors, seen)) >= 0


def test_probes_are_the_same_in_every_run_and_of_every_shape() -> None:
    assert [each.request.payload for each in probes()] == [
        each.request.payload for each in PROBES
    ]
    shapes = [measured(each.request) for each in PROBES]
    assert any(each.tooled for each in shapes)
    assert any(each.messages > 20 for each in shapes)
    assert any(each.tools > 20 for each in shapes)
    surfaces = {each.request.surface for each in PROBES}
    assert surfaces == {Surface.CHAT_COMPLETIONS, Surface.COMPLETIONS}
    # An engine of a small context counts them too.
    assert max(each.text_bytes + each.structure_bytes for each in shapes) < 8192
