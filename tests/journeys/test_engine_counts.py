"""Two engines that count, one started anew: every token is accounted for.

The counters are the engines' own, read as the worker reads them. What the gateway sent
agrees with them: streams, whole answers, several answers to a prompt, a client that
left. A call that went past the gateway is found, at the engine that took it.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from inference.control.engine_counts import read_all
from inference.control.models import ServedModel
from kit.orm.roles import as_operator
from metering.reconciliation import services
from metering.reconciliation.engines.reading import read_engines
from metering.reconciliation.models import Case, Difference, EngineProcess
from metering.usage.epochs import complete_to, database_now
from metering.usage.services import make_partitions
from tests.databases import Database
from tests.factories.control import make_replica
from tests.inference.engines.simulator.running import (
    RunningSimulator,
    running_simulator,
)
from tests.inference.gateway.metered import (
    MODEL,
    MeteredGateway,
    events,
    metered_gateway,
    seed,
)
from tests.inference.gateway.polling import wait_until

STRANGE_TOKENS = 5_000
# Until then a request is in flight to a reading: see the account.
QUIET = dt.timedelta(seconds=1.2)


@contextmanager
def gateway_of(
    database: Database, *engines: RunningSimulator
) -> Iterator[MeteredGateway]:
    """Run a gateway before these engines, each read once with nothing counted."""
    first, *others = engines
    issued = seed(first.base_url)
    with as_operator():
        make_partitions(now=database_now())
        model = ServedModel.objects.get(name=MODEL)
    for engine in others:
        make_replica(model=model, url=engine.base_url, upstream_model="sim")
    read()
    with metered_gateway(database, issued) as gateway:
        yield gateway


def read() -> None:
    """Read all engines, once nothing is in flight and all is committed."""
    with as_operator():
        began = database_now()
        wait_until(lambda: database_now() - began > QUIET)
        assert read_engines(now=database_now(), reader=read_all) == 2
        done = database_now()
        wait_until(lambda: complete_to(now=database_now()) > done)


def use(gateway: MeteredGateway, *engines: RunningSimulator) -> None:
    """Ask for streams and whole answers, several at once, and leave one early."""
    begun = len(events())
    for number in range(1, 9):
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": "one two three " * number}],
            "max_tokens": 10 * number,
            "n": 1 + number % 2,
            "stream": number % 3 == 0,
        }
        answer = gateway.client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
    for engine in engines:
        engine.change(inter_token_ms=2)
    with gateway.raw() as raw:
        raw.chat(MODEL, stream=True, max_tokens=20_000)
        raw.read_text(" t3 ")
        raw.leave()
    wait_until(lambda: len(events()) == begun + 9)
    for engine in engines:
        engine.await_stats(lambda stats: stats["running"] == 0)
        engine.change(inter_token_ms=0)


def found() -> list[Difference]:
    """Reconcile, and return what differs of engines."""
    with as_operator():
        run = services.reconcile(now=database_now())
        return list(run.differences.filter(check_name="engines_counted"))


@pytest.mark.timeout(240)
def test_every_token_of_two_engines_is_accounted_for(fresh_database: Database) -> None:
    with ExitStack() as stack:
        steady = stack.enter_context(running_simulator())
        with running_simulator() as first:
            gateway = stack.enter_context(gateway_of(fresh_database, steady, first))
            use(gateway, steady, first)
            assert first.stats()["requests"] > 0
            read()
            assert found() == []
        # The same address, another process: it begins to count anew.
        second = stack.enter_context(running_simulator(at_port=first.port))
        use(gateway, steady, second)
        assert second.stats()["requests"] > 0
        read()
        assert found() == []
        with as_operator():
            assert EngineProcess.objects.count() == 3

        second.chat(max_tokens=STRANGE_TOKENS)
        read()
        (difference,) = found()

    assert difference.subject == f"engine {second.base_url}, process 2"
    with as_operator():
        case = Case.objects.get(check_name="engines_counted")
    assert STRANGE_TOKENS / 2 < case.amount <= STRANGE_TOKENS + 100
