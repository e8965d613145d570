"""However a request ends, streamed, whole or reassembled: no slot and no hold stays."""

from collections.abc import Callable

import orjson
import pytest

from inference.openai.prompt_bound import DEFAULT, bound
from inference.openai.requests import parse
from inference.routing.snapshot import StopReason
from kit.contracts import BudgetPlace, EventStatus, Surface, TokenCounts
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.engines.wire import token, whole
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.limited import rate, row, slots
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway

MAX_TOKENS = 1_000
# By the way an answer goes: whether the client streams, and how much output is left.
MODES = {
    "streamed": (True, 10_000),
    "whole": (False, 10_000),
    "reassembled": (False, 500),
}
PLACE = BudgetPlace(
    tenant_id=1,
    level="tenant",
    holder_id=1,
    kind="quota",
    unit="output_tokens",
    window="month",
    model="",
    is_hard=True,
)

End = Callable[[RunningGateway, RawClient], None]

every_mode = pytest.mark.parametrize("mode", MODES)


def limited(gateway: RunningGateway, mode: str) -> bool:
    """Give the tenant one slot, rates and a quota; return whether to stream."""
    stream, left = MODES[mode]
    gateway.limit(
        slots(1),
        # One comes back each three seconds: none while a test runs.
        rate("requests", 20),
        rate("tokens", 1_000_000),
        row("quota", left, unit="output_tokens"),
    )
    gateway.run(lambda: gateway.meter.budgets.limits.update({PLACE: left}))
    return stream


def nothing_stays(gateway: RunningGateway) -> None:
    """Wait until all is given back, then show that the one slot is free."""
    wait_until(lambda: gateway.meter.open_requests == 0)
    wait_until(lambda: not gateway.rates.running)
    assert not gateway.meter.budgets.holds
    assert gateway.meter.budgets.waiting == 0
    wait_until(lambda: len(gateway.live) == 0)
    assert gateway.metrics.holds_waiting == gateway.metrics.extensions_waiting == 0
    with RawClient(gateway.port, gateway.key) as next_one:
        next_one.chat("no-such-model")
        assert next_one.read().status == 404
    taken = gateway.run(lambda: gateway.rates.limiter._slots.count(_SLOT))  # type: ignore[attr-defined]
    assert taken == 0


_SLOT = "{t1}:tenant:1:concurrent_requests::hard:"


def leave(gateway: RunningGateway, raw: RawClient) -> None:
    """Have the client leave."""
    raw.leave()


def drain(gateway: RunningGateway, raw: RawClient) -> None:
    """Have the gateway drain."""
    gateway.run(gateway.live.drain)


def revoke(gateway: RunningGateway, raw: RawClient) -> None:
    """Have the key revoked."""
    gateway.run(
        lambda: gateway.live.end_those_stopped(lambda _: StopReason.KEY_REVOKED)
    )


ENDS: dict[EventStatus, End] = {
    EventStatus.CLIENT_GONE: leave,
    EventStatus.DRAINED: drain,
    EventStatus.KEY_REVOKED: revoke,
}


@every_mode
def test_when_it_is_answered(
    gateway: RunningGateway, model: str, raw: RawClient, mode: str
) -> None:
    stream = limited(gateway, mode)
    before = gateway.metrics.reassembled
    max_tokens = MAX_TOKENS if mode == "reassembled" else 30
    raw.chat(model, stream=stream, max_tokens=max_tokens)
    got = raw.read()

    assert got.status == 200
    assert (gateway.metrics.reassembled > before) == (mode == "reassembled")
    nothing_stays(gateway)


@every_mode
@pytest.mark.parametrize("status", ENDS)
def test_when_it_is_ended_in_the_middle(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    mode: str,
    status: EventStatus,
) -> None:
    stream = limited(gateway, mode)
    simulator.change(inter_token_ms=20)
    raw.chat(model, stream=stream, max_tokens=MAX_TOKENS)
    simulator.await_stats(lambda stats: stats["generation_tokens"] >= 3)
    ENDS[status](gateway, raw)

    simulator.await_stats(lambda stats: stats["aborted"] == 1)
    [outcome] = wait_until(lambda: gateway.meter.outcomes)
    # Also what costs nothing says where it was: the engine has counted it.
    assert (outcome.status, outcome.replica_id > 0) == (status, True)
    if (mode, status) == ("whole", EventStatus.DRAINED):
        assert outcome.counts == TokenCounts()
    if not stream:
        assert outcome.counts.output_tokens == 0
    nothing_stays(gateway)
    assert gateway.meter.budgets.posted[PLACE] == outcome.counts.output_tokens


@every_mode
def test_when_the_engine_breaks_off(
    gateway: RunningGateway, raw: RawClient, mode: str
) -> None:
    def break_off(side: EngineSide) -> None:
        request = side.request()
        if request is not None and request.json.get("stream"):
            side.stream(token(1), token(2))
        side.reset()

    stream = limited(gateway, mode)
    with scripted_engine(break_off) as engine:
        raw.chat(gateway.serve(engine.url), stream=stream, max_tokens=MAX_TOKENS)
        raw.read()
    nothing_stays(gateway)


@every_mode
@pytest.mark.parametrize("status", [400, 503])
def test_when_the_engine_refuses(
    gateway: RunningGateway, raw: RawClient, mode: str, status: int
) -> None:
    def refuse(side: EngineSide) -> None:
        side.request()
        side.send(whole({"error": {"message": "no"}}, status=status))

    stream = limited(gateway, mode)
    with scripted_engine(refuse) as engine:
        raw.chat(gateway.serve(engine.url), stream=stream, max_tokens=MAX_TOKENS)
        got = raw.read()
    assert got.status == status
    # Its place among the requests it keeps, its tokens come back.
    assert got.header("x-ratelimit-limit-requests") == "20"
    nothing_stays(gateway)
    assert _left(gateway) == (18, 1_000_000)


@every_mode
def test_when_its_commit_fails(
    gateway: RunningGateway, model: str, raw: RawClient, mode: str
) -> None:
    stream = limited(gateway, mode)
    gateway.meter.hold_commits()
    max_tokens = MAX_TOKENS if mode == "reassembled" else 5
    raw.chat(model, stream=stream, max_tokens=max_tokens)
    wait_until(lambda: gateway.meter.settled)
    gateway.meter.give_up()
    got = raw.read()
    assert got.status == (200 if stream else 503)
    nothing_stays(gateway)


@every_mode
@pytest.mark.parametrize("end", [leave, drain, revoke])
def test_when_it_waits_for_more_of_its_budget(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    mode: str,
    end: End,
) -> None:
    """The wait is ended at once, and the engine with it."""
    if mode == "whole":
        pytest.skip("it holds all of it before it is sent")
    stream = limited(gateway, mode)
    hog(gateway, 64)
    simulator.change(inter_token_ms=1)
    raw.chat(model, stream=stream, max_tokens=MAX_TOKENS)
    wait_until(lambda: gateway.metrics.extensions_waiting == 1)
    end(gateway, raw)

    [outcome] = wait_until(lambda: gateway.meter.outcomes, seconds=2)
    assert outcome.status is not EventStatus.BUDGET_EXHAUSTED
    assert outcome.counts.output_tokens == (64 if stream else 0)
    simulator.await_stats(lambda stats: stats["aborted"] == 1)
    unhog(gateway)
    nothing_stays(gateway)


@every_mode
@pytest.mark.parametrize("end", [leave, drain, revoke])
def test_when_it_waits_to_be_held(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    model: str,
    raw: RawClient,
    mode: str,
    end: End,
) -> None:
    stream = limited(gateway, mode)
    hog(gateway, 0)
    raw.chat(model, stream=stream, max_tokens=MAX_TOKENS)
    wait_until(lambda: gateway.meter.budgets.waiting == 1)
    end(gateway, raw)
    wait_until(lambda: len(gateway.meter.voided) == 1, seconds=0.9)
    unhog(gateway)
    nothing_stays(gateway)
    assert simulator.stats()["requests"] == 0
    assert _left(gateway) == (19, 1_000_000)


def hog(gateway: RunningGateway, free: int) -> None:
    """Hold all but so much of the quota, unused."""
    gateway.run(lambda: gateway.meter.budgets.hog(PLACE, free))


def unhog(gateway: RunningGateway) -> None:
    """Give that back."""
    gateway.run(gateway.meter.budgets.unhog)


def _left(gateway: RunningGateway) -> tuple[int, int]:
    """Return what is left of the rates, as a refused request is told."""

    def refuse(side: EngineSide) -> None:
        side.request()
        side.send(whole({"error": {"message": "no"}}, status=400))

    with (
        scripted_engine(refuse) as engine,
        RawClient(gateway.port, gateway.key) as raw,
    ):
        raw.chat(gateway.serve(engine.url), max_tokens=1)
        got = raw.read()
    headers = dict(got.headers)
    tokens = int(headers["x-ratelimit-remaining-tokens"])
    # What it took itself, by its bound.
    wait_until(lambda: not gateway.rates.running)
    return int(headers["x-ratelimit-remaining-requests"]), tokens + _OWN_TOKENS


# The bound of the raw client's chat by the default factors, and one token of output.
_OWN_TOKENS = (
    bound(
        parse(
            Surface.CHAT_COMPLETIONS,
            orjson.dumps(
                {
                    "model": "m",
                    "messages": [{"role": "user", "content": "one two three"}],
                }
            ),
        ),
        DEFAULT,
        context_tokens=32_768,
    )
    + 1
)
