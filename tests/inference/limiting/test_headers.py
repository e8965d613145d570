"""What a client reads is true: waiting as told lets it pass."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.limiting.headers import duration, limit_headers
from inference.limiting.memory import MemoryLimiter
from tests.inference.limiting.rules import HOUR_US, new_id, requests, slot, tokens
from tests.inference.limiting.test_memory import Clock


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (20_000, "20ms"),
        (999_001, "1s"),
        (1_000_000, "1s"),
        (8_640_000, "8.64s"),
        (59_999_999, "1m0s"),
        (360_000_000, "6m0s"),
        (3_723_004_000, "1h2m3.004s"),
        (90_000_000_000, "25h0m0s"),
    ],
)
def test_a_time_is_written_as_openai_does(us: int, text: str) -> None:
    assert duration(us) == text


def test_of_several_rules_the_tightest_is_told() -> None:
    limiter = MemoryLimiter(clock=Clock())
    charges = (
        requests(100, name="tenant"),
        requests(5, name="key"),
        tokens(300, limit=1000, window_us=HOUR_US),
        slot(4),
    )
    assert limit_headers(limiter.take_now(new_id(), charges)) == {
        "x-ratelimit-limit-requests": "5",
        "x-ratelimit-remaining-requests": "4",
        "x-ratelimit-reset-requests": "12s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "700",
        "x-ratelimit-reset-tokens": "18m0s",
    }


def test_a_refusal_names_the_rule_that_refused() -> None:
    limiter = MemoryLimiter(clock=Clock())
    wide, narrow = requests(10, name="wide"), requests(10, name="narrow", amount=6)
    assert limiter.take_now(new_id(), (wide, narrow)).allowed
    for _ in range(7):
        limiter.take_now(new_id(), (wide,))
    headers = limit_headers(limiter.take_now(new_id(), (wide, narrow)))
    # The wide one has less left, and would let it pass.
    assert headers == {
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": "4",
        "x-ratelimit-reset-requests": "36s",
        "x-should-retry": "true",
        "retry-after": "12",
        "retry-after-ms": "12000",
    }


def test_nobody_is_told_to_wait_for_what_never_comes() -> None:
    verdict = MemoryLimiter().take_now(new_id(), (requests(0), slot(0)))
    headers = limit_headers(verdict)
    assert headers["x-should-retry"] == "false"
    assert headers["x-ratelimit-limit-requests"] == "0"
    assert not any(name.startswith("retry-after") for name in headers)


def test_a_full_house_is_asked_again_in_a_second() -> None:
    limiter = MemoryLimiter()
    limiter.take_now(new_id(), (slot(1),))
    headers = limit_headers(limiter.take_now(new_id(), (slot(1),)))
    assert headers == {
        "x-should-retry": "true",
        "retry-after": "1",
        "retry-after-ms": "1000",
    }


@given(
    st.integers(1, 10**6),
    st.integers(1, 10**5),
    st.lists(
        st.tuples(st.integers(0, 50_000), st.integers(0, 10**6), st.booleans()),
        max_size=20,
    ),
)
def test_whoever_waits_as_told_passes(
    many: int, few: int, asked: list[tuple[int, int, bool]]
) -> None:
    clock = Clock()
    limiter = MemoryLimiter(clock=clock)
    for amount, pause_us, in_ms in asked:
        charges = (tokens(amount, limit=many), requests(few))
        clock.now_us += pause_us
        verdict = limiter.take_now(new_id(), charges)
        headers = limit_headers(verdict)
        if not verdict.allowed:
            name, unit = ("retry-after-ms", 1000) if in_ms else ("retry-after", 10**6)
            assert re.fullmatch(r"[1-9]\d*", headers[name])
            clock.now_us += int(headers[name]) * unit
            assert limiter.take_now(new_id(), charges).allowed
        else:
            # As many as it says remain.
            left = int(headers["x-ratelimit-remaining-tokens"])
            probe = (tokens(left, limit=many),)
            request_id = new_id()
            assert limiter.take_now(request_id, probe).allowed
            limiter.give_back(request_id, probe)
            if left < many:
                more = (tokens(left + 1, limit=many),)
                assert not limiter.take_now(request_id, more).allowed
