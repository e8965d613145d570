"""The page of metrics is what Prometheus reads, and its figures are what happened."""

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from inference.gateway.latencies import MODELS_MAX, OTHERS
from inference.gateway.metrics import GatewayMetrics, MetricsPage
from kit.contracts import CountedBy, EventStatus, Outcome, TokenCounts
from kit.histogram import DURATION_BOUNDS_US, Histogram
from kit.latency import Latency
from tests.inference.gateway.running import RunningGateway

DURATION = "tollgate_request_duration_seconds"
FIRST = "tollgate_time_to_first_token_seconds"
NEXT = "tollgate_time_per_output_token_seconds"
QUEUE = "tollgate_queue_seconds"
ENGINE = "tollgate_engine_seconds"
GAP = "tollgate_inter_chunk_seconds"
COMMIT = "tollgate_commit_seconds"
Labels = dict[str, str]


def outcome(
    duration_ms: int,
    *,
    first_ms: int | None = None,
    last_ms: int | None = None,
    queue_ms: int | None = None,
    output_tokens: int = 0,
) -> Outcome:
    """Return an outcome of these times."""
    return Outcome(
        status=EventStatus.OK,
        counts=TokenCounts(input_tokens=1, output_tokens=output_tokens),
        generated_tokens=output_tokens,
        counted_by=CountedBy.ENGINE,
        replica_id=1,
        first_token_us=None if first_ms is None else first_ms * 1000,
        duration_us=duration_ms * 1000,
        latency=Latency(
            queue_us=None if queue_ms is None else queue_ms * 1000,
            last_token_us=None if last_ms is None else last_ms * 1000,
        ),
    )


def samples(page: str) -> list[tuple[str, Labels, float]]:
    """Read a page as Prometheus does."""
    return [
        (sample.name, dict(sample.labels), float(sample.value))
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    ]


def buckets(page: str, name: str, **labels: str) -> dict[float, float]:
    """Return how many values a histogram has up to each bound."""
    return {
        float(found["le"]): value
        for each, found, value in samples(page)
        if each == f"{name}_bucket" and labels.items() <= found.items()
    }


def value(page: str, name: str, **labels: str) -> float | None:
    """Return the value of one series, or None where it is not."""
    found = [v for n, each, v in samples(page) if (n, each) == (name, labels)]
    return found[0] if found else None


def rendered(
    metrics: GatewayMetrics,
    histograms: Mapping[str, tuple[str, Histogram]] | None = None,
) -> str:
    """Return the page of a gateway called `g`."""
    page = MetricsPage(
        metrics, gateway="g", gauges={}, counters={}, histograms=histograms or {}
    )
    return page.render().decode()


def test_a_duration_is_counted_by_whether_it_was_streamed() -> None:
    metrics = GatewayMetrics()
    metrics.add_settled(outcome(1), model="m", streamed=False)
    metrics.add_settled(outcome(400_000), model="m", streamed=False)
    metrics.add_settled(outcome(30), model="m", streamed=True)
    page = rendered(metrics)
    whole = buckets(page, DURATION, streamed="false")
    assert list(whole) == [us / 1e6 for us in DURATION_BOUNDS_US] + [float("inf")]
    assert (whole[0.001], whole[300.0], whole[float("inf")]) == (1, 1, 2)
    streamed = buckets(page, DURATION, streamed="true")
    assert (streamed[0.025], streamed[0.05]) == (0, 1)
    labels = {"gateway": "g", "streamed": "false"}
    assert value(page, f"{DURATION}_sum", **labels) == 400.001
    assert value(page, f"{DURATION}_count", **labels) == 2


def test_tokens_are_timed_on_streams_that_have_some() -> None:
    metrics = GatewayMetrics()
    labels = {"gateway": "g", "model": "m"}
    metrics.add_settled(outcome(90), model="m", streamed=True)
    whole = outcome(90, first_ms=90, output_tokens=9)
    metrics.add_settled(whole, model="m", streamed=False)
    assert value(rendered(metrics), f"{FIRST}_count", **labels) == 0

    one = outcome(90, first_ms=10, last_ms=10, output_tokens=1)
    metrics.add_settled(one, model="m", streamed=True)
    page = rendered(metrics)
    assert value(page, f"{FIRST}_sum", **labels) == 0.01
    assert value(page, f"{NEXT}_count", **labels) == 0

    # What comes after the last token is no token's time.
    five = outcome(500, first_ms=10, last_ms=90, output_tokens=5)
    metrics.add_settled(five, model="m", streamed=True)
    page = rendered(metrics)
    assert value(page, f"{FIRST}_count", **labels) == 2
    assert value(page, f"{NEXT}_sum", **labels) == 0.02
    spread = buckets(page, NEXT, model="m")
    assert (spread[0.015], spread[0.02], spread[300.0]) == (0, 1, 1)


def test_waiting_is_told_from_the_engine_s_own_time() -> None:
    metrics = GatewayMetrics()
    labels = {"gateway": "g", "model": "m"}
    metrics.add_settled(outcome(90, queue_ms=30), model="m", streamed=False)
    page = rendered(metrics)
    assert value(page, f"{QUEUE}_sum", **labels) == 0.03
    assert value(page, f"{ENGINE}_count", **labels) == 0
    metrics.add_settled(outcome(90, queue_ms=30, last_ms=80), model="m", streamed=False)
    assert value(rendered(metrics), f"{ENGINE}_sum", **labels) == 0.05


def test_models_beyond_the_bound_share_one_place() -> None:
    metrics = GatewayMetrics()
    for number in range(MODELS_MAX + 7):
        one = outcome(90, queue_ms=1)
        metrics.add_settled(one, model=f"m{number}", streamed=True)
    page = rendered(metrics)
    found = [each for name, each, _ in samples(page) if name == f"{QUEUE}_count"]
    assert len(found) == MODELS_MAX + 1
    labels = {"gateway": "g", "model": OTHERS}
    assert value(page, f"{QUEUE}_count", **labels) == 7
    assert value(page, f"{QUEUE}_count", gateway="g", model="m0") == 1


def test_others_histograms_stand_on_the_page_too() -> None:
    waits = Histogram()
    waits.observe(2_000)
    page = rendered(GatewayMetrics(), {COMMIT: ("Of the database.", waits)})
    assert value(page, f"{COMMIT}_sum", gateway="g") == 0.002
    assert buckets(page, COMMIT)[0.001] == 0


def test_a_call_is_seen_in_the_histograms(gateway: RunningGateway, model: str) -> None:
    def counts() -> dict[str, float]:
        page = gateway.client.get("/metrics").text
        own = {"gateway": "gateway-t"}
        of = {**own, "model": model}
        return {
            "whole": value(page, f"{DURATION}_count", **own, streamed="false") or 0,
            "streamed": value(page, f"{DURATION}_count", **own, streamed="true") or 0,
            "queue": value(page, f"{QUEUE}_count", **of) or 0,
            "engine": value(page, f"{ENGINE}_count", **of) or 0,
            "first": value(page, f"{FIRST}_count", **of) or 0,
            "next": value(page, f"{NEXT}_count", **of) or 0,
            "gap": value(page, f"{GAP}_count", **of) or 0,
        }

    body = {"model": model, "messages": [{"role": "user", "content": "one two"}]}
    before = counts()
    for streamed in (True, False, False):
        asked = body | {"max_tokens": 3, "stream": streamed}
        answer = gateway.client.post("/v1/chat/completions", json=asked)
        assert answer.status_code == 200
    after = counts()
    grown = {name: after[name] - before[name] for name in after}
    assert grown == {
        **{"whole": 2, "streamed": 1, "queue": 3, "engine": 3},
        **{"first": 1, "next": 1, "gap": 2},
    }
