"""PostgreSQL frozen, killed, and back: nobody waits, nothing is lost or twice."""

import asyncio
import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from kit.clock import boot_us
from kit.errors import ServiceUnavailable
from metering.intake.clock import ROUND_TRIP_TRUSTED_US
from metering.intake.meter import (
    ADMITS_FOR_US,
    HEARTBEAT_S,
    LEASE_LIFE_US,
    IntakeMeter,
)
from tests.databases import Database
from tests.eventually import eventually
from tests.metering.intake.metered import OUTCOME, Witness, admit, meter, started
from tests.metering.intake.own_cluster import OwnCluster, own_cluster
from tests.standins.tcp_proxy import TcpProxy

AWAY_AFTER_MS = 500
# The setting, one pause of the watch, and a busy machine.
AWAY_SECONDS_MAX = AWAY_AFTER_MS / 1000 + HEARTBEAT_S / 2 + 2

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture(scope="module")
def cluster(module_database: Database) -> Iterator[OwnCluster]:
    with own_cluster(module_database) as made:
        yield made


def freeze(cluster: OwnCluster) -> Callable[[], None]:
    cluster.freeze()
    return cluster.thaw


def kill(cluster: OwnCluster) -> Callable[[], None]:
    cluster.kill()
    return cluster.start


async def require_away(made: IntakeMeter) -> None:
    """Fail unless the meter notices in time."""
    began = asyncio.get_running_loop().time()
    await eventually(lambda: made.liveness.is_away)
    assert asyncio.get_running_loop().time() - began < AWAY_SECONDS_MAX


@linux_only
@pytest.mark.parametrize("fault", [freeze, kill])
async def test_away_and_back(
    cluster: OwnCluster, fault: Callable[[OwnCluster], Callable[[], None]]
) -> None:
    url = cluster.database.url_for("gateway")
    name = f"gateway-{fault.__name__}"
    made = meter(url, gateway=name, away_after_ms=AWAY_AFTER_MS)
    heard: list[str] = []
    async with started(made):
        made.liveness.on_away(lambda: heard.append("away"))
        requests = [admit(made) for _ in range(12)]
        await made.settle(requests[0], OUTCOME)

        mend = fault(cluster)
        waiting = [made.settle(one, OUTCOME) for one in requests[1:5]]
        await require_away(made)
        # The journal's disk has them: nobody is kept waiting.
        await asyncio.wait_for(asyncio.gather(*waiting), 10)
        await asyncio.wait_for(made.settle(requests[5], OUTCOME), 10)
        made.void(requests[6])
        assert (made.committer.waiting, made.open_requests) == (5, 5)
        assert made.committer.stats.synced == 5
        # And requests go on being admitted.
        made.settle(admit(made), OUTCOME)
        before_us = made.clock.now_us()

        # Not in a thread of the loop's: the server would die with it.
        mend()
        await eventually(lambda: not made.liveness.is_away, seconds=20)
        await made.committer.flush(patience_s=20)
        assert made.committer.waiting == 0
        await made.settle(admit(made), OUTCOME)
        for one in requests[7:]:
            made.settle(one, OUTCOME)
        assert before_us <= made.clock.now_us()
    assert heard == ["away"]

    witness = Witness(cluster.database)
    (epoch,) = [row for row in witness.epochs() if row["gateway"] == name]
    events = [row for row in witness.events() if row["epoch_id"] == epoch["id"]]
    assert len({row["request_id"] for row in events}) == len(events) == 13
    assert (epoch["admitted"], epoch["settled"], epoch["voided"]) == (14, 13, 1)
    assert made.committer.stats.conflicts == made.committer.stats.refused == 0
    witness.require_whole()
    witness.close()


async def test_clock_is_right_again_after_a_frozen_answer(
    url: str, proxy: TcpProxy, witness: Witness
) -> None:
    """The first answer after the ice is as old as the ice."""
    made = meter(proxy.url(url), away_after_ms=AWAY_AFTER_MS)
    async with started(made):
        proxy.freeze()
        await require_away(made)
        await eventually(lambda: made.liveness._overdue(1))
        before_us = made.clock.now_us()
        proxy.thaw()
        await eventually(lambda: not made.liveness.is_away)

        own_us = made.clock.now_us()
        (row,) = witness.rows(
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us"
        )
        assert before_us <= own_us
        assert own_us - row["us"] < ROUND_TRIP_TRUSTED_US // 2


async def test_connections_dropped_again_and_again(
    url: str, proxy: TcpProxy, witness: Witness
) -> None:
    """A database that is there but keeps hanging up costs retries, not events."""
    async with started(meter(proxy.url(url))) as made:
        for _ in range(10):
            commits = [made.settle(admit(made), OUTCOME) for _ in range(5)]
            proxy.drop()
            await asyncio.gather(*commits)

    (epoch,) = witness.epochs()
    assert len(set(witness.ids())) == len(witness.ids()) == 50
    assert (epoch["admitted"], epoch["settled"]) == (50, 50)
    witness.require_whole()


async def test_heartbeat_comes_back_on_a_new_connection(
    url: str, proxy: TcpProxy, witness: Witness
) -> None:
    async with started(meter(proxy.url(url))):
        for _ in range(2):
            proxy.drop()
            (asked,) = witness.rows("SELECT clock_timestamp() AS at")
            await eventually(partial(has_beaten_since, witness, asked["at"]))


def has_beaten_since(witness: Witness, instant: dt.datetime) -> bool:
    return bool(witness.epochs()[0]["heartbeat_at"] > instant)


async def test_process_that_was_held_up_blames_nobody(
    url: str, proxy: TcpProxy
) -> None:
    """What was not read yet is no silence: only this process stood still.

    The proxy stood still with it, so the answer takes some turns of the loop to come.
    """
    made = meter(proxy.url(url), away_after_ms=200)
    heard: list[str] = []
    async with started(made):
        made.liveness.on_away(lambda: heard.append("away"))
        for _ in range(2):
            await eventually(lambda: made.liveness._asked_us)
            time.sleep(0.4)  # noqa: ASYNC251 (the loop is held up)
            await eventually(lambda: not made.liveness._asked_us)
            await made.settle(admit(made), OUTCOME)

    assert heard == []


async def test_before_the_first_answer_nothing_is_admitted(url: str) -> None:
    made = meter(url)
    with pytest.raises(ServiceUnavailable):
        admit(made)


async def test_admission_ends_before_leases_do_and_running_requests_with_them(
    url: str, proxy: TcpProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = meter(proxy.url(url), away_after_ms=AWAY_AFTER_MS)
    lapsed: list[str] = []
    made.on_lapsed(lambda: lapsed.append("lapsed"))
    async with started(made):
        proxy.freeze()
        await require_away(made)
        admit(made)
        aged_us = 0

        def later_us() -> int:
            return boot_us() + aged_us

        monkeypatch.setattr("metering.intake.meter.boot_us", later_us)
        aged_us = ADMITS_FOR_US
        with pytest.raises(ServiceUnavailable) as refused:
            admit(made)
        assert refused.value.headers["retry-after"] == "1"
        assert not lapsed
        aged_us = LEASE_LIFE_US
        await eventually(lambda: lapsed == ["lapsed"])
        aged_us = 0
        proxy.thaw()
        await eventually(lambda: made.is_admitting)
        admit(made)


async def test_what_cannot_be_committed_at_the_end_is_said(
    url: str,
    proxy: TcpProxy,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("metering.intake.meter.FLUSH_PATIENCE_S", 0.1)
    made = meter(proxy.url(url))
    await made.start()
    proxy.refuse()
    proxy.drop()
    made.settle(admit(made), OUTCOME)
    await made.stop()

    assert "events_not_committed" in caplog.text
