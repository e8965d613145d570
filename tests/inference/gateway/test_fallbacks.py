"""Where no replica of a model takes a request, its fallbacks do, as themselves."""

from collections.abc import Iterator
from typing import Any

import pytest

from kit.contracts import EventStatus
from tests.inference.engines import wire
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.wire import answer, whole
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway

URL_OF_NOBODY = "http://127.0.0.1:1"


def _serve_well(side: EngineSide) -> None:
    while request := side.request():
        if request.json.get("stream"):
            side.stream(wire.token(1), wire.finish(1), wire.usage(1), wire.DONE)
            side.send(wire.STREAM_END)
        else:
            side.send(whole(answer(" t1", output=1)))


def _refuse_wrong(side: EngineSide) -> None:
    while side.request():
        side.send(whole({"error": {"message": "wrong"}}, status=400))


@pytest.fixture
def other(gateway: RunningGateway) -> Iterator[str]:
    """Serve a model that is well."""
    with scripted_engine(_serve_well) as engine:
        yield gateway.serve(engine.url, upstream_model="engine-model")


def serve(gateway: RunningGateway, *urls: str, **body: Any) -> str:
    """Publish a model with these settings besides."""
    name = gateway.serve(*urls)
    published = {"context_tokens": 32_768, "max_output_tokens": None, "created": 1}
    gateway.publish("model", name, {**published, **body})
    return name


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("urls", [(), (URL_OF_NOBODY,), (URL_OF_NOBODY,) * 2])
def test_the_fallback_answers_under_its_own_name_and_price(
    gateway: RunningGateway,
    raw: RawClient,
    other: str,
    urls: tuple[str, ...],
    stream: bool,
) -> None:
    name = serve(gateway, *urls, fallbacks=[other])
    raw.chat(name, stream=stream)
    read = raw.read()

    assert read.status == 200
    said = read.chunks[0] if stream else read.json
    assert said["model"] == read.header("x-tollgate-model") == other
    [(admission, outcome)] = gateway.meter.settled
    assert (admission.price.model, outcome.status) == (other, EventStatus.OK)
    # What nobody took is void, and the answer's id is that of what was billed.
    assert len(gateway.meter.voided) == min(len(urls), 1)
    assert read.header("x-request-id") == str(admission.request_id)


def test_the_next_one_is_tried_and_the_first_refusal_is_told(
    gateway: RunningGateway, raw: RawClient, other: str
) -> None:
    dead = gateway.serve()
    raw.chat(serve(gateway, fallbacks=[dead, "no-such-model", other]))
    assert raw.read().status == 200

    name = serve(gateway, fallbacks=[dead])
    raw.chat(name)
    refused = raw.read()
    assert (refused.status, refused.header("retry-after")) == (503, "5")
    assert name in refused.json["error"]["message"]


def test_a_refusal_of_the_request_itself_goes_to_no_fallback(
    gateway: RunningGateway, raw: RawClient, other: str
) -> None:
    with scripted_engine(_refuse_wrong) as engine:
        raw.chat(serve(gateway, engine.url, fallbacks=[other]))
        assert raw.read().status == 400
    assert not gateway.meter.settled


def test_a_key_reaches_no_fallback_that_it_is_kept_from(
    gateway: RunningGateway, other: str
) -> None:
    name = serve(gateway, fallbacks=[other])
    key = gateway.issue_key(tenant_id=1, models=[name])
    with RawClient(gateway.port, key) as raw:
        raw.chat(name)
        assert raw.read().status == 503
    assert not gateway.meter.admissions


def test_a_fallback_without_a_price_is_passed_over(
    gateway: RunningGateway, raw: RawClient, other: str
) -> None:
    unpriced = gateway.serve(URL_OF_NOBODY)
    gateway.meter.unpriced.add(unpriced)
    raw.chat(serve(gateway, fallbacks=[unpriced, other]))
    assert raw.read().status == 200
    [(admission, _)] = gateway.meter.settled
    assert admission.price.model == other


def test_with_a_key_the_fallback_comes_when_what_broke_off_is_recorded(
    gateway: RunningGateway, raw: RawClient
) -> None:
    def break_off(side: EngineSide) -> None:
        side.request()
        side.send(wire.STREAM_HEAD)
        side.sock.close()

    with scripted_engine(break_off) as broken, scripted_engine(_serve_well) as well:
        other = gateway.serve(well.url)
        name = serve(gateway, broken.url, fallbacks=[other])
        gateway.run(gateway.meter.hold_commits)
        raw.chat(name, headers=("idempotency-key: k",), stream=True)
        wait_until(lambda: gateway.meter.settled)
        for _ in range(3):
            assert gateway.client.get("/healthz").status_code == 200
        assert not well.requests
        gateway.run(gateway.meter.release)
        assert raw.read().is_done
    statuses = [outcome.status for outcome in gateway.meter.outcomes]
    assert statuses == [EventStatus.ENGINE_ERROR, EventStatus.OK]
