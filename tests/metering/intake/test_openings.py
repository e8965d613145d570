"""Windows are opened for many at once, and one that cannot be is one's own trouble."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from kit.contracts import BudgetPlace
from metering.intake.openings import Openings
from metering.intake.windows import WindowBook
from tests.databases import Database
from tests.metering.budgets.sessions import place, session, write_days


@contextlib.asynccontextmanager
async def running(database: Database) -> AsyncIterator[Openings]:
    """Open windows on a connection of their own until the block ends."""
    openings = Openings(database.url_for("gateway"), "gateway-1", now_us, WindowBook())
    task = asyncio.create_task(openings.run())
    try:
        yield openings
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await openings.close()


def now_us() -> int:
    """Return the present instant."""
    return time.time_ns() // 1000


def asked_for(database: Database) -> int:
    """Return how many windows there are."""
    with session(database, "operator") as operator:
        rows = operator.execute("SELECT count(*) FROM budgets_window").fetchall()
    return int(rows[0][0])


def test_a_crowd_at_one_place_opens_one_window(fresh_database: Database) -> None:
    write_days(fresh_database, 1)
    at_us = now_us()

    async def ask() -> list[bool]:
        async with running(fresh_database) as openings:
            asked = [openings.ask(place(), at_us + number) for number in range(500)]
            opened = await asyncio.gather(*asked)
            assert all(
                openings.windows.find(place(), at_us=at_us + n) for n in (0, 499)
            )
            return opened

    assert all(asyncio.run(ask()))
    assert asked_for(fresh_database) == 1


@pytest.mark.timeout(30)
def test_a_window_that_cannot_be_opened_is_no_other_tenants_trouble(
    fresh_database: Database,
) -> None:
    for tenant_id in (1, 2):
        write_days(fresh_database, tenant_id)
    # Longer than the table takes.
    bad = BudgetPlace(1, "tenant" * 9, 1, "budget", "", "day", "", is_hard=True)

    async def ask() -> tuple[bool, bool]:
        async with running(fresh_database) as openings:
            at_us = now_us()
            asked = openings.ask(bad, at_us), openings.ask(place(2), at_us)
            await asyncio.wait(asked)
            assert openings.windows.find(place(2), at_us=at_us) is not None
            return asked[0].result(), asked[1].result()

    assert asyncio.run(ask()) == (False, True)
