"""Probes of engines: what they find out before a request does.

The engines are scripted, or simulated; the prober is the product's own, in a hurry.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import pytest

from inference.engines.client import EnginePool
from inference.engines.origin import EngineLostError, Origin, Timeouts
from inference.gateway import probing
from inference.gateway.probing import PATIENCE, Prober
from inference.routing.fleet import Fleet
from inference.routing.health import ReplicaHealth
from inference.routing.round_robin import RoundRobin
from inference.routing.router import RouteAsk
from inference.routing.serving import Policy
from inference.routing.snapshot import ReplicaEntry, Snapshot
from inference.scheduling.shares import WholeShares
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import running_simulator
from tests.inference.engines.wire import whole

EVERY_S = 0.05
PATIENCE_S = 20.0


class Forgetting(RoundRobin):
    """A router that notes what it is told to forget."""

    def __init__(self) -> None:
        super().__init__()
        self.forgotten: list[int] = []

    def forget(self, replica_id: int) -> None:
        """Note it."""
        self.forgotten.append(replica_id)


@dataclass(slots=True)
class Probed:
    """A prober at work, and all that it tells."""

    snapshot: Snapshot = field(default_factory=Snapshot)
    router: Forgetting = field(default_factory=Forgetting)
    patience: Timeouts = PATIENCE
    frozen_s: float = 600.0
    health: ReplicaHealth = field(init=False)
    fleet: Fleet = field(init=False)
    serving: EnginePool = field(init=False)
    prober: Prober = field(init=False)

    def publish(
        self,
        number: int,
        url: str,
        *,
        dialect: str = "vllm",
        state: str = "active",
        upstream_model: str = "",
    ) -> ReplicaEntry:
        """Publish a replica, and its model."""
        model = {"context_tokens": 1, "max_output_tokens": None, "created": 1}
        self.snapshot.apply("model", "m", model)
        body = {
            "model": "m",
            "name": f"r{number}",
            "url": url,
            "dialect": dialect,
            "upstream_model": upstream_model,
            "credential": "",
            "state": state,
        }
        self.snapshot.apply("replica", str(number), body)
        return self.snapshot.replicas[number]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Probe until the block ends."""
        loop = asyncio.get_running_loop()
        self.health = ReplicaHealth(now=loop.time)
        self.serving = EnginePool(timeouts=Timeouts(5.0, 60.0, 60.0))
        self.fleet = Fleet(
            self.snapshot,
            self.health,
            WholeShares(),
            dict.fromkeys(Policy, self.router),
        )
        self.prober = Prober(
            pool=EnginePool(timeouts=self.patience),
            serving=self.serving,
            snapshot=self.snapshot,
            fleet=self.fleet,
            health=self.health,
            every_s=EVERY_S,
            frozen_s=self.frozen_s,
        )
        task = asyncio.create_task(self.prober.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.serving.close()


async def until(is_so: Callable[[], bool]) -> None:
    """Return once it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "TICK_S", 0.01)


@pytest.mark.parametrize("status", [503, 500, 502])
async def test_one_that_says_it_is_not_well_is_passed_over_until_it_is(
    status: int,
) -> None:
    answers = [status]

    def loading(side: EngineSide) -> None:
        while side.request():
            side.send(whole(b"", status=answers[0]))

    probed = Probed()
    with scripted_engine(loading) as engine:
        replica = probed.publish(1, engine.url, dialect="llamacpp")
        async with probed.running():
            assert probed.health.may_take(replica)
            await until(lambda: not probed.health.may_take(replica))
            answers[0] = 200
            await until(lambda: probed.health.may_take(replica))
    assert {each.target for each in engine.requests} == {"/health", "/metrics"}
    assert {each.method for each in engine.requests} == {"GET"}


@pytest.mark.parametrize("status", [200, 401, 404, 405, 501])
async def test_whatever_else_is_answered_is_a_sign_of_life(status: int) -> None:
    def answer(side: EngineSide) -> None:
        while side.request():
            side.send(whole(b"x", status=status))

    probed = Probed()
    with scripted_engine(answer) as engine:
        replica = probed.publish(1, engine.url)
        async with probed.running():
            await until(lambda: len(engine.requests) >= 5)
            assert probed.health.may_take(replica)
            # A page without gauges is not asked for again for a while.
            pages = [each.target for each in engine.requests]
            assert pages.count("/metrics") == 1


async def test_one_that_dies_is_found_dead_and_one_that_comes_back_is_found() -> None:
    probed = Probed()
    async with probed.running():
        with running_simulator() as engine:
            replica = probed.publish(1, engine.base_url)
            await until(lambda: engine.stats()["connections"] > 1)
            port = engine.port
        await until(lambda: not probed.health.may_take(replica))
        with running_simulator(at_port=port):
            await until(lambda: probed.health.may_take(replica))


async def test_a_restart_is_told_to_routers() -> None:
    probed = Probed()
    async with probed.running():
        with running_simulator() as engine:
            replica = probed.publish(1, engine.base_url)
            probed.publish(2, f"{engine.base_url}/v1")
            await asyncio.to_thread(engine.chat, max_tokens=5)
            await until(lambda: replica.id in probed.health._foreign)
            port = engine.port
        assert probed.router.forgotten == []
        with running_simulator(at_port=port):
            await until(lambda: {1, 2} <= set(probed.router.forgotten))


async def test_a_restart_of_one_without_gauges_is_told_to_routers() -> None:
    answers = [200]

    def plain(side: EngineSide) -> None:
        while side.request():
            side.send(whole(b"x", status=answers[0]))

    probed = Probed()
    with scripted_engine(plain) as engine:
        replica = probed.publish(1, engine.url, dialect="ollama")
        async with probed.running():
            await until(lambda: len(engine.requests) > 3)
            assert probed.router.forgotten == []
            answers[0] = 503
            await until(lambda: not probed.health.may_take(replica))
            answers[0] = 200
            await until(lambda: 1 in probed.router.forgotten)


@pytest.mark.parametrize(
    ("dialect", "change"),
    [
        ("vllm", {"url": "http://127.0.0.1:2"}),
        ("vllm", {"url": "http://127.0.0.1:1/other"}),
        ("vllm", {"upstream_model": "other"}),
        ("vllm", {"state": "draining"}),
        ("vllm", None),
        ("openai", {"url": "http://127.0.0.1:2"}),
        ("openai", None),
    ],
)
async def test_one_that_is_not_where_it_was_is_forgotten(
    dialect: str, change: dict[str, str] | None
) -> None:
    here: dict[str, Any] = {"url": "http://127.0.0.1:1", "dialect": dialect}
    probed = Probed()
    for number in (1, 2, 3):
        probed.publish(number, **here)
    async with probed.running():
        await until(lambda: len(probed.prober._serves) == 3)
        # Told again what it knows already.
        probed.publish(3, **here)
        if change is None:
            probed.snapshot.apply("replica", "2", None)
        else:
            probed.publish(2, **here | change)
        await until(lambda: bool(probed.router.forgotten))
    assert set(probed.router.forgotten) == {2}


async def test_what_others_run_is_seen() -> None:
    probed = Probed()
    with running_simulator(inter_token_ms=50) as engine:
        replica = probed.publish(1, engine.base_url)
        async with probed.running():
            # One of the three is this process's.
            place = probed.fleet.take(RouteAsk("m", "", "", 1, "", bytes), uuid4())
            assert place is not None
            others = [engine.open_chat(stream=True, max_tokens=9999) for _ in range(3)]
            await until(lambda: engine.stats()["running"] == 3)
            await until(lambda: probed.health.foreign(replica) == 2)
            place.free()
            await until(lambda: probed.health.foreign(replica) == 3)
            for each in others:
                each.close()
            await until(lambda: probed.health.foreign(replica) == 0)


async def test_a_frozen_engine_is_given_up_on() -> None:
    probed = Probed(patience=replace(PATIENCE, first_byte=0.05), frozen_s=0.3)
    thaw = threading.Event()

    def freeze(side: EngineSide) -> None:
        side.request()
        thaw.wait(PATIENCE_S)

    with scripted_engine(freeze) as engine:
        replica = probed.publish(1, engine.url)
        async with probed.running():
            waiting = await probed.serving.request(
                Origin.parse(engine.url), method="POST", path="/", headers={}
            )
            with pytest.raises(EngineLostError, match="sign of life"):
                await waiting.head()
            assert not probed.health.may_take(replica)
            waiting.close()
            thaw.set()


async def test_only_engines_of_our_own_that_are_active_are_asked() -> None:
    def answer(side: EngineSide) -> None:
        while side.request():
            side.send(whole(b"x"))

    probed = Probed()
    with (
        scripted_engine(answer) as asked,
        scripted_engine(answer) as draining,
        scripted_engine(answer) as hosted,
        scripted_engine(answer) as ollama,
    ):
        probed.publish(1, asked.url)
        probed.publish(2, draining.url, state="draining")
        probed.publish(3, hosted.url, dialect="openai")
        probed.publish(4, "http://", dialect="vllm")
        probed.publish(5, ollama.url, dialect="ollama")
        async with probed.running():
            await until(lambda: min(len(asked.requests), len(ollama.requests)) > 3)
            probed.snapshot.apply("replica", "1", None)
            await asyncio.sleep(EVERY_S)
    assert not draining.connections
    assert not hosted.connections
    assert {each.target for each in ollama.requests} == {"/api/version"}


async def test_an_endless_page_holds_up_nothing() -> None:
    def flood(side: EngineSide) -> None:
        side.request()
        side.send(whole(b"x"))
        side.request()
        side.send(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                side.send(b"vllm:num_requests_running 9\n" * 1000)

    probed = Probed()
    with scripted_engine(flood) as engine:
        replica = probed.publish(1, engine.url)
        async with probed.running():
            await until(lambda: len(engine.connections) >= 3)
            assert probed.health.may_take(replica)
            assert probed.health.foreign(replica) == 0
