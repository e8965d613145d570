"""A request's times as `vllm bench serve` defines them, on a clock set by hand."""

import pytest

from inference.gateway import stopwatch
from inference.gateway.latencies import ModelLatencies
from inference.gateway.stopwatch import Stopwatch
from kit.histogram import Histogram
from kit.latency import Latency


class Clock:
    """A clock that stands still until it is set."""

    now_us = 1_000_000

    def __call__(self) -> int:
        """Return the present instant."""
        return self.now_us

    def at(self, us: int) -> None:
        """Set it to so long after the request's arrival."""
        self.now_us = 1_000_000 + us


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Give the clock that a stopwatch looks at."""
    made = Clock()
    monkeypatch.setattr(stopwatch, "boot_us", made)
    return made


def counted(histogram: Histogram) -> int:
    """Return how many values it has."""
    return list(histogram.cumulative())[-1][1]


def test_a_stream_is_timed_from_chunk_to_chunk(clock: Clock) -> None:
    latencies = ModelLatencies()
    watch = Stopwatch(1_000_000, latencies)
    clock.at(300)
    watch.sent()
    # Each piece: when, and how many chunks there are with it.
    for us, so_far in ((5_000, 1), (8_000, 2), (8_500, 2), (20_000, 5), (21_000, 6)):
        clock.at(us)
        watch.chunks(so_far)
    clock.at(90_000)
    assert watch.first_us == 5_000
    assert watch.latency(streamed=True) == Latency(300, 21_000, 6, 12_000)
    # Five distances: two of them none, for their chunks came in one piece.
    assert counted(latencies.gap) == 5
    assert latencies.gap.sum == 3_000 + 12_000 + 1_000


def test_chunks_that_all_come_at_once_have_no_distance(clock: Clock) -> None:
    latencies = ModelLatencies()
    watch = Stopwatch(1_000_000, latencies)
    clock.at(7)
    watch.chunks(3)
    assert watch.latency(streamed=True) == Latency(None, 7, 3, 0)
    assert (counted(latencies.gap), latencies.gap.sum) == (2, 0)


def test_a_slow_client_s_distances_are_its_own(clock: Clock) -> None:
    latencies = ModelLatencies()
    watch = Stopwatch(1_000_000, latencies)
    watch.chunks(1)
    clock.at(50_000)
    watch.chunks(3, is_slow=True)
    assert watch.latency(streamed=True).gap_max_us == 50_000
    assert counted(latencies.gap) == 0


def test_the_last_try_is_the_one_that_was_waited_for(clock: Clock) -> None:
    watch = Stopwatch(1_000_000, ModelLatencies())
    for us in (10, 4_000):
        clock.at(us)
        watch.sent()
    assert watch.latency(streamed=False).queue_us == 4_000


def test_a_whole_answer_has_no_chunks(clock: Clock) -> None:
    watch = Stopwatch(1_000_000, ModelLatencies())
    watch.sent()
    clock.at(9_000)
    watch.tokens()
    clock.at(10_000)
    watch.answered()
    assert watch.latency(streamed=False) == Latency(0, 9_000, None, None)


def test_an_answer_without_tokens_ends_when_it_is_here(clock: Clock) -> None:
    watch = Stopwatch(1_000_000, ModelLatencies())
    watch.sent()
    clock.at(9_000)
    watch.answered()
    assert (watch.first_us, watch.last_us) == (None, 9_000)


def test_an_answer_s_head_tells_what_is_known_by_then(clock: Clock) -> None:
    watch = Stopwatch(1_000_000, ModelLatencies())
    clock.at(1_500)
    assert watch.headers("m", begins=False) == {
        "openai-processing-ms": "1",
        "x-tollgate-model": "m",
    }
    watch.sent()
    clock.at(20_250)
    assert watch.headers("m", begins=True) == {
        "openai-processing-ms": "20",
        "x-tollgate-model": "m",
        "x-tollgate-queue-ms": "1.500",
        "x-tollgate-ttft-ms": "20.250",
    }
    watch.tokens()
    assert watch.headers("m", begins=False)["x-tollgate-engine-ms"] == "18.750"
