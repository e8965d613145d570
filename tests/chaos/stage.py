"""One case from its cluster to its line in the table.

A case does its worst on a `Stage` while clients ask; then everything comes to rest, is
billed, and held to the oracle and to the product's own proofs. Failure: what never
comes to rest is a broken promise of the case, beside whatever else is wrong.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import books
from tests.chaos.clients import STEADY, Ask, Load, Mix, Record, call
from tests.chaos.cluster import Cluster, Gateway, running_cluster
from tests.chaos.oracle import EXACT, Allowance, judge
from tests.chaos.processes import PostgresServer
from tests.chaos.report import Result
from tests.databases import Database
from tests.standins.reading_proxy import Around

POLL_S = 0.02
NORMAL_SECONDS_MAX = 120.0
WEIGH_S = 1.0
# What a gateway logs of itself where something happened that must not.
INCIDENTS = ("gateway_bug", "event_conflict", "events_refused", "Traceback")
_CLOSED = "SELECT count(*) = 0 FROM usage_epoch WHERE id = %s AND state = 'open'"
_OPEN = "SELECT id FROM usage_epoch WHERE gateway = %s AND state = 'open'"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a case needs: how many of everything, and what it may do to a bill."""

    gateways: int = 2
    engines: int = 2
    clients: int = 50
    mix: Mix = STEADY
    allowance: Allowance = EXACT
    one_host: bool = True
    needs_server: bool = False
    loses_hosts: bool = False
    # Whether gateways reach the engines themselves: a proxy lives on when one dies.
    has_direct_engines: bool = False
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table: what is done, how often in full, on what."""

    name: str
    play: "Callable[[Stage], Awaitable[None]]"
    times: int
    setting: Setting = field(default_factory=Setting)
    # Whether `times` are seconds.
    is_timed: bool = False


@dataclass(slots=True)
class Stage:
    """What a case plays on, and what it has seen so far."""

    cluster: Cluster
    times: int
    # How long what lasts is to last, as a share of what the issue asks for.
    scale: float
    clients: int
    mix: Mix
    records: list[Record] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def load(self, clients: int | None = None) -> Load:
        """Return clients that ask until the block ends."""
        return Load(
            self.cluster,
            self.clients if clients is None else clients,
            self.mix,
            numbers=self.numbers,
            records=self.records,
        )

    async def ask(
        self, gateway: Gateway, *, around: Around | None = None, **fields: Any
    ) -> Record:
        """Ask once, as the first customer; a planned leaving happens `around`."""
        ask = Ask(next(self.numbers), **fields)
        customer = self.cluster.customers[0]
        return await call(gateway, customer, ask, records=self.records, around=around)

    async def normal_again(self, gateway: Gateway, *, since: float) -> None:
        """Wait until a gateway serves whole answers, and note how long it took."""
        while True:
            record = await self.ask(gateway, is_streamed=False, max_tokens=1)
            if record.is_whole:
                self.recoveries.append(time.monotonic() - since)
                return
            if time.monotonic() > since + NORMAL_SECONDS_MAX:
                self.faults.append(f"{gateway.name} never served again")
                return
            await asyncio.sleep(POLL_S)

    async def epoch_of(self, gateway: Gateway) -> int:
        """Return the epoch that a gateway is in."""
        [(epoch,)] = await self.cluster.rows(_OPEN, gateway.name)
        return int(epoch)

    async def epoch_settled(self, epoch: int, *, since: float) -> None:
        """Wait until a dead process's epoch is closed, and note how long it took."""
        while not (await self.cluster.rows(_CLOSED, epoch))[0][0]:
            if time.monotonic() > since + NORMAL_SECONDS_MAX:
                self.faults.append(f"epoch {epoch} is never closed")
                return
            await asyncio.sleep(POLL_S)
        self.recoveries.append(time.monotonic() - since)


async def play(
    case: Case,
    *,
    database: Database,
    server: PostgresServer | None,
    folder: Path,
    times: int,
    seed: int,
    scale: float = 1.0,
    clients: int | None = None,
) -> Result:
    """Play a case on a cluster of its own, and return its line."""
    setting, began = case.setting, time.monotonic()
    async with running_cluster(
        database,
        folder,
        gateways=setting.gateways,
        engines=setting.engines,
        server=server,
        seed=seed,
        one_host=setting.one_host,
        has_direct_engines=setting.has_direct_engines,
        **setting.env,
    ) as cluster:
        stage = Stage(cluster, times, scale, clients or setting.clients, setting.mix)
        async with _weighing(cluster):
            await case.play(stage)
        result = await _judged(case, stage)
    result.faults += _incidents(folder)
    result.seconds = time.monotonic() - began
    return result


async def _judged(case: Case, stage: Stage) -> Result:
    """Bring everything to rest and hold it to the oracle."""
    cluster, setting = stage.cluster, case.setting
    try:
        await books.at_rest(cluster)
    except AssertionError as error:
        stage.faults.append(str(error))
        await books.close_the_silent(cluster)
    stage.faults += [
        f"ask {each.ask.number} of {each.gateway} read no answer: {each.nonsense}"
        for each in stage.records
        if each.nonsense
    ]
    leases = await books.leases_left(cluster)
    judgement = judge(
        [books.received(record) for record in stage.records],
        await books.bills(cluster),
        setting.allowance,
    )
    return Result(
        case=case.name,
        times=stage.times,
        judgement=judgement,
        leases=leases,
        recoveries=stage.recoveries,
        faults=[
            *stage.faults,
            *await books.faults_of_books(cluster, hosts_were_lost=setting.loses_hosts),
        ],
        notes=stage.notes,
    )


@contextlib.asynccontextmanager
async def _weighing(cluster: Cluster) -> AsyncIterator[None]:
    async def weigh() -> None:
        while True:
            cluster.weigh()
            await asyncio.sleep(WEIGH_S)

    weighing = asyncio.create_task(weigh())
    try:
        yield
    finally:
        weighing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await weighing


def _incidents(folder: Path) -> list[str]:
    """Return the lines of the gateways' logs that tell of a bug of ours."""
    return [
        f"{log.name}: {line[:300]}"
        for log in sorted(folder.glob("chaos-gateway-*.log"))
        for line in log.read_text(errors="replace").splitlines()
        if any(mark in line for mark in INCIDENTS)
    ][:5]
