"""Gateways that ask for leases, return them and use them up, as fast as they can."""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import sql

from kit.contracts import BudgetPlace, Caller, TokenCounts
from metering.intake.epoch import Epoch, EpochCounts
from metering.intake.events import Pending, UsageEvent, request_event, sort_key
from tests.databases import Database
from tests.metering.budgets.sessions import (
    beat,
    give_back,
    grant,
    open_epoch,
    open_windows,
    session,
)
from tests.metering.intake.metered import OUTCOME, admission

SECONDS = 4.0
Chain = Sequence[BudgetPlace]

# Deadlocks are to be found, not waited out.
_HURRY = "ALTER DATABASE {} SET deadlock_timeout = '50ms'"
# A second guard, of the test's own: each growth of a lease, held against the quotas.
_GUARD = """
CREATE TABLE broken (window_id bigint, total numeric, value bigint);
CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO broken
    SELECT place.id, place.posted + sum(lease.amount), min(quota.value)
    FROM budgets_window place
    JOIN budgets_lease lease ON lease.window_id = place.id
    JOIN tenants_quota quota ON quota.level = place.level AND place.holder_id =
        coalesce(quota.api_key_id, quota.project_id, quota.tenant_id)
    WHERE place.id = NEW.window_id
    GROUP BY place.id HAVING place.posted + sum(lease.amount) > min(quota.value);
    RETURN NULL;
END $$;
CREATE TRIGGER guard_insert AFTER INSERT ON budgets_lease
    FOR EACH ROW EXECUTE FUNCTION guard();
CREATE TRIGGER guard_update AFTER UPDATE OF amount ON budgets_lease
    FOR EACH ROW WHEN (NEW.amount > OLD.amount) EXECUTE FUNCTION guard()
"""


def together(*tasks: Callable[[], Any]) -> None:
    """Run these at the same time, and fail with the first that fails."""
    with ThreadPoolExecutor(len(tasks)) as pool:
        for future in [pool.submit(task) for task in tasks]:
            future.result(timeout=60)


@dataclass
class Stress:
    """Some seconds of gateways on these chains, and what they were told."""

    database: Database
    chains: Sequence[Chain]
    ids: dict[BudgetPlace, int] = field(default_factory=dict)
    told: dict[tuple[int, int], int] = field(default_factory=dict)
    grants: int = 0
    commits: int = 0

    def __post_init__(self) -> None:
        """Open the windows and watch their leases."""
        with session(self.database) as connection:
            for each in {each for chain in self.chains for each in chain}:
                self.ids[each] = open_windows(connection, [each])[0]
        with session(self.database, "owner") as owner:
            owner.execute(_GUARD)
        with psycopg.connect(self.database.server, autocommit=True) as server:
            server.execute(sql.SQL(_HURRY).format(sql.Identifier(self.database.name)))
        self._until = time.monotonic() + SECONDS

    @property
    def is_over(self) -> bool:
        """Tell whether it lasted long enough."""
        return time.monotonic() >= self._until

    def gateway(self) -> None:
        """Run one gateway, with its two connections."""
        epoch_id = open_epoch(self.database)
        mine, turn = dict.fromkeys(self.ids.values(), 0), threading.Lock()
        together(
            lambda: asyncio.run(self._commit(epoch_id, mine, turn)),
            lambda: self._ask(epoch_id, mine, turn),
        )
        self.told.update({(n, epoch_id): a for n, a in mine.items() if a})

    def _ask(self, epoch_id: int, mine: dict[int, int], turn: threading.Lock) -> None:
        with session(self.database) as connection:
            while not self.is_over:
                asked = {
                    self.ids[each]: (random.randrange(1, 80), random.randrange(200))
                    for chain in random.sample(self.chains, 2)
                    for each in random.sample(chain, 3)
                }
                for number, (amount, _) in grant(connection, epoch_id, asked).items():
                    with turn:
                        mine[number] += amount
                    self.grants += amount > 0
                with turn:
                    back = {n: random.randrange(a + 1) for n, a in mine.items() if a}
                    for number, amount in back.items():
                        mine[number] -= amount
                give_back(connection, epoch_id, back)
                beat(connection, epoch_id, {n: (0, random.randrange(9)) for n in mine})

    async def _commit(
        self, epoch_id: int, mine: dict[int, int], turn: threading.Lock
    ) -> None:
        """Use some of the leases up, on the connection of commits."""
        epoch = Epoch(url=self.database.url_for("gateway"), gateway="committing")
        epoch.id = epoch_id
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        while not self.is_over:
            with turn:
                taken = random.sample(sorted(mine), 4)
                uses = {n: random.randrange(mine[n] + 1) for n in taken}
                for number, amount in uses.items():
                    mine[number] -= amount
            spent = " ".join(f"{n}={a}={a % 9}" for n, a in uses.items())
            events = [_event(each) for each in random.sample(self.chains, 3)]
            batch = [Pending(each, future, 0) for each in events]
            batch.sort(key=lambda item: sort_key(item.event))
            await epoch.commit(batch, spent=spent, counts=EpochCounts(0, 0, None))
            self.commits += 1
        await epoch.drop_connection()


def _event(chain: Chain) -> UsageEvent:
    """Make an event of one token."""
    tenant, project, key = (each.holder_id for each in chain)
    made = replace(admission(), caller=Caller(tenant, project, key, "USD"))
    return request_event(made, replace(OUTCOME, counts=TokenCounts(0, 0, 1)))
