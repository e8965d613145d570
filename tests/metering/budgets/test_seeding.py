"""A window that begins with what was used before lets others settle meanwhile."""

import asyncio

from metering.intake.epoch import Epoch
from tests.databases import Database
from tests.eventually import eventually
from tests.metering.budgets.sessions import open_windows, place, session, write_days
from tests.metering.budgets.test_posting import LEFT, commit, event_of, require_posted

KEY, TENANT = 1, 2
_WAITING = """
SELECT FROM pg_locks WHERE relation = 'usage_dayrollup'::regclass AND NOT granted
"""


def test_events_are_committed_and_counted_while_a_window_is_summed_up(
    fresh_database: Database,
) -> None:
    write_days(fresh_database, TENANT)

    def open_one() -> None:
        with session(fresh_database) as gateway:
            open_windows(gateway, [place(TENANT, window="forever")])

    async def run() -> None:
        epoch = Epoch(url=fresh_database.url_for("gateway"), gateway="one")
        await epoch.open(left=LEFT)
        await commit(epoch, [event_of(KEY)])
        with session(fresh_database, "owner") as owner, owner.transaction():
            # Summing up takes long: it sees what it sees, and waits for the rollups.
            owner.execute("LOCK TABLE usage_dayrollup IN ACCESS EXCLUSIVE MODE")
            opening = asyncio.create_task(asyncio.to_thread(open_one))
            await eventually(lambda: owner.execute(_WAITING).fetchone() is not None)
            async with asyncio.timeout(20):
                await commit(epoch, [event_of(KEY)])
                await epoch.open(left=LEFT)
                await commit(epoch, [event_of(KEY)])
        await opening
        await epoch.drop_connection()

    asyncio.run(run())
    assert require_posted(fresh_database) == 1
