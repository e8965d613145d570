"""What is posted to a window is the sum of its events, however both come about."""

import asyncio
import datetime as dt
import random
import threading
import time
from dataclasses import replace

import psycopg
import pytest
from django.db import connections

from kit.contracts import BudgetPlace, Caller, TokenCounts
from kit.orm.roles import as_operator
from metering.intake.epoch import Epoch, EpochCounts
from metering.intake.events import Pending, UsageEvent, request_event, sort_key
from metering.usage.services import roll_up
from tests.databases import Database
from tests.metering.budgets.sessions import (
    DAY,
    open_windows,
    place,
    session,
    write_days,
)
from tests.metering.budgets.stress import together
from tests.metering.intake.metered import OUTCOME, admission

KEYS = range(1, 9)
ROUNDS = 4
LEFT = EpochCounts(0, 0, None)

# The same sums, from nothing but the events.
_SUMS = """
SELECT place.id, place.posted, budgets_used(place), coalesce(sum(CASE
    WHEN place.kind <> 'quota' THEN event.charge_picos
    WHEN place.unit = 'input_tokens' THEN event.input_tokens + event.cached_input_tokens
    WHEN place.unit = 'output_tokens' THEN event.output_tokens
    ELSE event.input_tokens + event.cached_input_tokens + event.output_tokens END), 0)
FROM budgets_window place LEFT JOIN usage_event event
    ON event.tenant_id = place.tenant_id
    AND event.admitted_at >= place.starts_at AND event.admitted_at < place.ends_at
    AND CASE place.level WHEN 'tenant' THEN true
        WHEN 'project' THEN event.project_id = place.holder_id
        ELSE event.api_key_id = place.holder_id END
    AND (place.model = '' OR EXISTS (SELECT FROM pricing_price price
        WHERE price.id = event.price_id AND price.model = place.model))
GROUP BY place.id ORDER BY place.id
"""


def require_posted(database: Database) -> int:
    """Fail unless every window has the sum of its events; return how many it has."""
    with session(database, "operator") as operator:
        rows = operator.execute(_SUMS).fetchall()
    for window_id, posted, used, summed in rows:
        assert (window_id, posted, used) == (window_id, summed, summed)
    return len(rows)


def places_of(key: int) -> list[BudgetPlace]:
    """Return places of a key, its project and its tenant, of every kind."""
    tenant = 1 + key % 2
    chain = (("tenant", tenant), ("project", 10 + key // 2), ("api_key", 100 + key))
    found = []
    for level, holder in chain:
        for window in ("day", "month", "forever"):
            found.append(place(tenant, level=level, holder_id=holder, window=window))
        for unit in ("tokens", "input_tokens", "output_tokens"):
            found.append(
                place(tenant, level=level, holder_id=holder, kind="quota", unit=unit)
            )
    return found


def event_of(key: int, at: dt.datetime | None = None) -> UsageEvent:
    """Make the event of a key's request, admitted now or then."""
    made = replace(
        admission(),
        caller=Caller(1 + key % 2, 10 + key // 2, 100 + key, "USD"),
    )
    if at is not None:
        made = replace(made, admitted_at_us=round(at.timestamp() * 1_000_000))
    counts = TokenCounts(
        random.randrange(90), random.randrange(9), random.randrange(50)
    )
    return request_event(made, replace(OUTCOME, counts=counts))


async def commit(epoch: Epoch, events: list[UsageEvent]) -> None:
    """Commit a batch, in the order in which gateways do."""
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    batch = [Pending(each, future, 0) for each in events]
    batch.sort(key=lambda item: sort_key(item.event))
    await epoch.commit(batch, spent="", counts=EpochCounts(0, 0, None))


def gateway(database: Database, name: str, stop: threading.Event) -> None:
    """Commit batches for a while, now and then in a new epoch."""

    async def run() -> None:
        epoch = Epoch(url=database.url_for("gateway"), gateway=name)
        await epoch.open(left=LEFT)
        while not stop.is_set():
            now = dt.datetime.now(dt.UTC)
            await commit(
                epoch,
                [
                    event_of(random.choice(KEYS), now - random.randrange(3) * DAY)
                    for _ in range(random.randrange(1, 40))
                ],
            )
            if random.random() < 0.1:
                await epoch.open(left=LEFT)
        await epoch.drop_connection()

    asyncio.run(run())


def opener(database: Database, stop: threading.Event) -> None:
    """Open every place, a few at a time, in an order of its own."""
    places = [each for key in KEYS for each in places_of(key)]
    random.shuffle(places)
    with session(database) as connection:
        while places and not stop.is_set():
            count = random.randrange(1, 6)
            try:
                open_windows(connection, places[:count])
            except psycopg.errors.LockNotAvailable:
                continue
            places = places[count:]
            time.sleep(random.random() / 50)
    stop.set()


def roller(stop: threading.Event) -> None:
    """Roll up all the time."""
    try:
        while not stop.is_set():
            with as_operator():
                roll_up()
    finally:
        connections.close_all()


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_windows_that_are_opened_amid_commits_and_rollups_count_all(
    fresh_database: Database, round_: int
) -> None:
    for tenant in (1, 2):
        write_days(fresh_database, tenant)
    stop, db = threading.Event(), fresh_database
    together(
        *(lambda n=n: gateway(db, f"gateway-{n}", stop) for n in range(3)),
        *(lambda: opener(db, stop) for _ in range(2)),
        lambda: roller(stop),
    )
    assert require_posted(fresh_database) > 100


def test_an_event_counts_in_the_windows_of_when_it_was_admitted(
    fresh_database: Database,
) -> None:
    write_days(fresh_database, 2)
    now = dt.datetime.now(dt.UTC)

    async def run() -> None:
        epoch = Epoch(url=fresh_database.url_for("gateway"), gateway="one")
        await epoch.open(left=LEFT)
        # One batch, of several days.
        await commit(epoch, [event_of(1, now - n * DAY) for n in range(4)])
        await epoch.drop_connection()

    with session(fresh_database) as connection:
        for back in range(3):
            open_windows(connection, [places_of(1)[0]], at=now - back * DAY)
        asyncio.run(run())
        open_windows(connection, places_of(1), at=now - 3 * DAY)
    assert require_posted(fresh_database) >= 18
    with session(fresh_database, "operator") as operator:
        rows = operator.execute(
            "SELECT posted FROM budgets_window WHERE kind = 'budget'"
            " AND \"window\" = 'day' AND level = 'tenant'"
        ).fetchall()
    assert len(rows) == 4
    assert all(posted > 0 for (posted,) in rows)


def test_a_correction_counts_where_its_original_does(fresh_database: Database) -> None:
    write_days(fresh_database, 2)
    then = dt.datetime.now(dt.UTC) - 2 * DAY
    original = event_of(1, then)
    counts = original.counts
    undone = replace(
        original,
        request_id=event_of(1).request_id,
        corrects=original.request_id,
        kind=type(original.kind).UNDELIVERED,
        counts=TokenCounts(-counts.input_tokens, -counts.cached_input_tokens, 0),
        charge_picos=-1000,
    )

    async def run() -> None:
        epoch = Epoch(url=fresh_database.url_for("gateway"), gateway="one")
        await epoch.open(left=LEFT)
        await commit(epoch, [original])
        await epoch.open(left=LEFT)
        await commit(epoch, [undone])
        await epoch.drop_connection()

    with session(fresh_database) as connection:
        open_windows(connection, places_of(1), at=then)
        asyncio.run(run())
    require_posted(fresh_database)
    with session(fresh_database, "operator") as operator:
        row = operator.execute(
            "SELECT posted FROM budgets_window WHERE kind = 'budget'"
            " AND \"window\" = 'day' AND level = 'tenant'"
        ).fetchone()
    assert row == (original.charge_picos - 1000,)


def test_two_openers_at_once_open_one_window(fresh_database: Database) -> None:
    write_days(fresh_database, 1)
    found: list[list[int]] = []
    barrier = threading.Barrier(4)

    def run() -> None:
        with session(fresh_database) as connection:
            for window in ("day", "month", "forever"):
                barrier.wait(timeout=20)
                found.append(open_windows(connection, [place(window=window)]))

    together(*[run] * 4)
    assert len({each[0] for each in found}) == 3


def test_a_window_that_is_yet_to_begin_locks_nobody_out(
    fresh_database: Database,
) -> None:
    write_days(fresh_database, 1)
    tomorrow = dt.datetime.now(dt.UTC) + DAY
    with session(fresh_database, "owner") as writer, writer.transaction():
        writer.execute("LOCK TABLE usage_epoch IN ROW EXCLUSIVE MODE")
        with session(fresh_database) as connection:
            assert open_windows(connection, [place()], at=tomorrow)
            # The one that runs waits for commits, but not for ever.
            with pytest.raises(psycopg.errors.LockNotAvailable):
                open_windows(connection, [place()])
            row = connection.execute("SHOW lock_timeout").fetchone()
            assert row == ("0",)
