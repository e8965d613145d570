"""Catching up with what was rolled up before there were hours or totals.

What is new comes first, in every epoch; the past is taken a little in each run, by one
roller at a time, and nobody who asks for days waits for it.
"""

import datetime as dt
import threading

import pytest
from django.db import connections

from kit.orm.atomic import atomic, cursor
from kit.orm.roles import OPERATOR, as_operator
from metering.usage import rollup
from metering.usage.models import Epoch, HourTotal, RollupMark, UtcRollup
from metering.usage.rollup_sql import CATCH_UP_TURN
from metering.usage.selectors import database_now
from metering.usage.services import roll_up, roll_up_proven
from tests.factories.pricing import make_price
from tests.factories.usage import Use, commit, make_epoch, make_use
from tests.metering.usage.test_totals import failing_after

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
PAST = 20


@pytest.fixture
def use(operator_db: None) -> Use:
    return make_use(price=make_price(), admitted_at=NOON)


@pytest.fixture
def past(use: Use) -> Epoch:
    """Roll an epoch up as it was done before there were totals."""
    return roll_up_days(use)


def roll_up_days(use: Use) -> Epoch:
    epoch = make_epoch(started_at=NOON, state=Epoch.State.CLOSED)
    commit(epoch, *[use] * PAST)
    roll_up()
    HourTotal.objects.all().delete()
    UtcRollup.objects.all().delete()
    RollupMark.objects.update(totals_seq=0)
    return epoch


def marks(epoch: Epoch) -> tuple[int, int]:
    mark = RollupMark.objects.get(epoch=epoch)
    return mark.rolled_seq, mark.totals_seq


def test_what_is_new_is_taken_before_what_lags(use: Use, past: Epoch) -> None:
    new = make_epoch(started_at=NOON)
    commit(new, *[use] * 3)
    commit(past, use)

    # Each of the three new ones is a batch with totals; the fourth of these catches up.
    with (
        connections[OPERATOR].execute_wrapper(failing_after(3 + 1)),
        pytest.raises(ConnectionError),
    ):
        roll_up(batch_events=1)

    assert marks(new) == (3, 3)
    assert marks(past) == (PAST + 1, 1)


def test_a_run_catches_up_by_few_batches(past: Epoch) -> None:
    most = rollup.CAUGHT_UP_BATCHES_MAX
    for runs in (1, 2):
        assert roll_up(batch_events=2).events == 0
        assert marks(past) == (PAST, 2 * most * runs)


def test_whoever_wants_days_waits_for_nothing_that_lags(use: Use, past: Epoch) -> None:
    new = make_epoch(started_at=NOON, state=Epoch.State.CLOSED)
    commit(new, use)
    now = database_now()

    assert roll_up_proven(now=now) == now

    assert marks(new) == (1, 1)
    assert marks(past) == (PAST, 0)


def test_one_roller_catches_up_at_a_time(fresh_database: object) -> None:
    with as_operator():
        use = make_use(price=make_price(), admitted_at=NOON)
        past, other = roll_up_days(use), make_epoch(started_at=NOON)
        commit(other, use)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with as_operator(), atomic(), cursor() as session:
            session.execute(CATCH_UP_TURN)
            held.set()
            done.wait()
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        held.wait()
        with as_operator():
            assert roll_up().events == 1
            assert marks(past) == (PAST, 0)
    finally:
        done.set()
        holder.join()
    with as_operator():
        roll_up()
        assert marks(past) == (PAST, PAST)
        assert sum(row.requests for row in HourTotal.objects.all()) == PAST + 1
    connections.close_all()
