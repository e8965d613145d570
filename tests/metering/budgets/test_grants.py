"""Leases under stress: no grant beyond the limit, no deadlock, none left behind."""

import datetime as dt
import random
import threading
import time
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from django.db import connections

from kit.contracts import BudgetPlace
from kit.orm.roles import as_operator
from metering.intake.statements import CLOSE_EPOCH, OPEN_EPOCH
from metering.usage.services import close_silent_epochs
from tests.databases import Database
from tests.factories.limits import make_quota
from tests.factories.tenants import make_key, make_project, make_tenant, midday_zone
from tests.metering.budgets.sessions import (
    beat,
    grant,
    leases,
    open_epoch,
    open_windows,
    place,
    session,
)
from tests.metering.budgets.stress import Stress, together


@dataclass(frozen=True)
class World:
    """A tenant with keys in two projects, a hard quota of tokens a day on each."""

    database: Database
    tenant: BudgetPlace
    chains: tuple[tuple[BudgetPlace, BudgetPlace, BudgetPlace], ...]

    def set_quota(self, what: BudgetPlace, value: int) -> None:
        """Leave so much of a quota, as whoever changes one: with a recall."""
        with session(self.database, "owner") as owner, owner.transaction():
            owner.execute(
                "UPDATE tenants_quota SET value = %s + coalesce(("
                " SELECT posted FROM budgets_window place"
                " WHERE place.level = tenants_quota.level AND place.holder_id ="
                " coalesce(api_key_id, project_id, tenant_id)), 0) WHERE level = %s"
                " AND coalesce(api_key_id, project_id, tenant_id) = %s",
                [value, what.level, what.holder_id],
            )
            owner.execute("SELECT budgets_recall(%s)", [what.tenant_id])


@pytest.fixture
def world(fresh_database: Database) -> World:
    """Make a tenant whose quotas are 1000 tokens each."""
    tenant = make_tenant(zone=midday_zone())
    chains = []
    whole = quota(tenant.pk, "tenant", tenant.pk)
    make_quota(1_000, tenant=tenant)
    for _ in range(2):
        project = make_project(tenant=tenant)
        make_quota(1_000, project=project)
        for _ in range(2):
            key = make_key(project=project).row
            make_quota(1_000, api_key=key)
            of_project = quota(tenant.pk, "project", project.pk)
            chains.append((whole, of_project, quota(tenant.pk, "api_key", key.pk)))
    connections.close_all()
    return World(fresh_database, whole, tuple(chains))


def quota(tenant_id: int, level: str, holder_id: int) -> BudgetPlace:
    """Describe the place of a quota."""
    return place(
        tenant_id, level=level, holder_id=holder_id, kind="quota", unit="tokens"
    )


def blocked(database: Database, pid: int) -> bool:
    """Tell whether a backend waits for a lock, or comes to do so in a while."""
    with session(database, "owner") as owner:
        for _ in range(200):
            row = owner.execute("SELECT pg_blocking_pids(%s)", [pid]).fetchone()
            if row and row[0]:
                return True
            time.sleep(0.01)
    return False


def test_grants_never_exceed_the_limit_in_force_and_never_deadlock(
    world: World,
) -> None:
    stress = Stress(world.database, world.chains)

    def lowering() -> None:
        while not stress.is_over:
            for each in stress.ids:
                world.set_quota(each, random.randrange(100, 1_500))

    together(*[stress.gateway] * 4, lowering)
    with session(world.database, "owner") as owner:
        assert owner.execute("SELECT count(*) FROM broken").fetchone() == (0,)
    found = leases(world.database)
    assert stress.grants > 200
    assert stress.commits > 100
    assert stress.told == {key: amount for key, amount in found.items() if amount}


def test_a_grant_waits_for_the_limit_that_is_being_lowered(world: World) -> None:
    database = world.database
    epoch_id = open_epoch(database)
    got: list[dict[int, tuple[int, int | None]]] = []
    with session(database) as asking, session(database, "owner") as changing:
        (window_id,) = open_windows(asking, [world.tenant])
        pid = asking.info.backend_pid
        with changing.transaction():
            changing.execute("UPDATE tenants_quota SET value = 100")
            tenant_id = world.tenant.tenant_id
            changing.execute("SELECT budgets_recall(%s)", [tenant_id])
            asked = {window_id: (500, 500)}
            thread = threading.Thread(
                target=lambda: got.append(grant(asking, epoch_id, asked))
            )
            thread.start()
            assert blocked(database, pid)
        thread.join(timeout=20)
    assert got == [{window_id: (0, 100)}]


@pytest.mark.parametrize("ends", ["by the next", "cleanly", "silent"])
def test_whoever_closes_an_epoch_gives_its_leases_back(world: World, ends: str) -> None:
    database = world.database
    epoch_id, other = open_epoch(database, "one"), open_epoch(database, "two")
    with session(database) as connection:
        (window_id,) = open_windows(connection, [world.tenant])
        for each in (epoch_id, other):
            assert grant(connection, each, {window_id: (400, 400)})[window_id][0] == 400
        end(database, connection, epoch_id, ends)
        assert leases(database) == {(window_id, other): 400}
        # Nothing more for who is closed, all the rest for the others.
        assert grant(connection, epoch_id, {window_id: (1, 1)}) == {}
        assert grant(connection, other, {window_id: (600, 600)})[window_id][0] == 600


def end(
    database: Database, connection: psycopg.Connection[Any], epoch_id: int, how: str
) -> None:
    """Close an epoch of the gateway `one`."""
    values: dict[str, Any] = {"previous": 0, "admitted": 0, "voided": 0}
    if how == "by the next":
        values |= {"gateway": "one", "open_since_us": None}
        connection.execute(OPEN_EPOCH.encode(), values)
    elif how == "cleanly":
        connection.execute(CLOSE_EPOCH.encode(), values | {"epoch_id": epoch_id})
    else:
        with session(database, "owner") as owner:
            owner.execute(
                "UPDATE usage_epoch SET heartbeat_at = now() + interval '1 day'"
                " WHERE gateway = 'two'"
            )
        with as_operator():
            later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=200)
            assert close_silent_epochs(now=later) == 1
        connections.close_all()


def test_closing_waits_for_the_grant_under_way_and_takes_it_back(
    world: World,
) -> None:
    database = world.database
    epoch_id = open_epoch(database)
    with session(database) as asking, session(database) as closing:
        (window_id,) = open_windows(asking, [world.tenant])
        values = {"epoch_id": epoch_id, "admitted": 0, "voided": 0}
        pid = closing.info.backend_pid
        thread = threading.Thread(
            target=lambda: closing.execute(CLOSE_EPOCH.encode(), values)
        )
        with asking.transaction():
            assert grant(asking, epoch_id, {window_id: (10, 10)})
            thread.start()
            assert blocked(database, pid)
        thread.join(timeout=20)
        assert leases(database) == {}


def test_a_grant_waits_for_the_closing_under_way_and_comes_to_nothing(
    world: World,
) -> None:
    database = world.database
    epoch_id = open_epoch(database)
    got: list[Any] = []
    with session(database) as asking, session(database) as closing:
        (window_id,) = open_windows(asking, [world.tenant])
        values = {"epoch_id": epoch_id, "admitted": 0, "voided": 0}
        pid = asking.info.backend_pid
        thread = threading.Thread(
            target=lambda: got.append(grant(asking, epoch_id, {window_id: (10, 10)}))
        )
        with closing.transaction():
            closing.execute(CLOSE_EPOCH.encode(), values)
            thread.start()
            assert blocked(database, pid)
        thread.join(timeout=20)
        assert got == [{}]
        assert leases(database) == {}


def test_what_was_posted_meanwhile_is_not_told_as_used_again(
    world: World,
) -> None:
    database = world.database
    epoch_id = open_epoch(database)
    with session(database) as connection:
        (window_id,) = open_windows(connection, [world.tenant])
        grant(connection, epoch_id, {window_id: (100, 100)})
        assert beat(connection, epoch_id, {window_id: (100, 60)}) == {window_id: 100}
        # It knew of 130: a commit of 30 was faster.
        assert beat(connection, epoch_id, {window_id: (130, 90)}) == {window_id: 100}
    with session(database, "operator") as operator:
        row = operator.execute("SELECT used FROM budgets_lease").fetchone()
    assert row == (60,)
