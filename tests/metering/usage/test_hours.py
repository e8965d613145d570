"""Hour rollups: moved with the days, caught up where days came first, never amiss."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.contracts import TokenCounts
from kit.orm.roles import OPERATOR, as_operator, as_tenant
from metering.usage.models import Epoch, HourRollup, RollupMark
from metering.usage.report import Dimension
from metering.usage.selectors import recount_hours, rolled_up_hours
from metering.usage.services import cover, roll_up
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use, undoing
from tests.metering.usage.test_usage import ask

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
TODAY = NOON.date()
MICROSECOND = dt.timedelta(microseconds=1)
COUNTS = TokenCounts(
    input_tokens=10, cached_input_tokens=5, output_tokens=7, reasoning_tokens=3
)


@pytest.fixture
def use(operator_db: None) -> Use:
    return make_use(price=make_price(), admitted_at=NOON)


def assert_recounted(use: Use, *, around: dt.datetime = NOON) -> None:
    """Compare each hour near an instant with a recount of its events."""
    bounds = {"start": around - 40 * DAY, "end": around + 40 * DAY}
    rolled = rolled_up_hours(tenant_id=use.tenant_id, **bounds)
    assert rolled == recount_hours(tenant_id=use.tenant_id, **bounds)


def test_hour_is_one_row_of_all_sums(use: Use) -> None:
    mine = replace(use, counts=COUNTS)
    commit(make_epoch(started_at=NOON), mine, mine)

    roll_up()

    (row,) = HourRollup.objects.filter(tenant_id=use.tenant_id)
    assert (row.hour, row.price_id, row.requests) == (NOON, use.price.id, 2)
    assert (row.input_tokens, row.cached_input_tokens) == (20, 10)
    assert (row.output_tokens, row.reasoning_tokens) == (14, 6)
    assert row.charge_picos == 2 * (10 * 3_000_000 + 5 * 300_000 + 7 * 15_000_000)


def test_hour_is_half_open(use: Use) -> None:
    instants = (NOON - MICROSECOND, NOON, NOON + HOUR - MICROSECOND, NOON + HOUR)
    commit(
        make_epoch(started_at=NOON), *(replace(use, admitted_at=at) for at in instants)
    )
    roll_up()
    rows = HourRollup.objects.filter(tenant_id=use.tenant_id).order_by("hour")
    assert [(row.hour, row.requests) for row in rows] == [
        (NOON - HOUR, 1),
        (NOON, 2),
        (NOON + HOUR, 1),
    ]


def test_correction_falls_in_the_hour_of_its_original(use: Use) -> None:
    epoch = make_epoch(started_at=NOON)
    (original,) = commit(epoch, use)
    commit(epoch, undoing(original, use))
    roll_up()
    (row,) = HourRollup.objects.filter(tenant_id=use.tenant_id)
    assert (row.hour, row.requests, row.output_tokens) == (NOON, 1, 0)
    assert row.charge_picos == 0


def test_price_keeps_currencies_apart(use: Use) -> None:
    commit(
        make_epoch(started_at=NOON), use, replace(use, price=make_price(currency="JPY"))
    )
    roll_up()
    report = ask(Dimension.HOUR, tenant_id=use.tenant_id)
    assert [row.currency for row in report.rows] == ["JPY", "USD"]


def test_hours_stop_where_days_stop(use: Use) -> None:
    epoch = make_epoch(started_at=NOON)
    commit(epoch, use, use)
    commit(epoch, use, skip=1)

    assert roll_up().faults[0].seq == 3

    (row,) = HourRollup.objects.filter(tenant_id=use.tenant_id)
    assert row.requests == 2
    assert marks_of(epoch) == (2, 2)


def marks_of(epoch: Epoch) -> tuple[int, int]:
    mark = RollupMark.objects.get(epoch=epoch)
    return mark.rolled_seq, mark.hours_seq


@given(
    offsets_us=st.lists(
        st.tuples(st.integers(-2 * 10**10, 2 * 10**10), st.booleans()), max_size=12
    ),
    batch_events=st.integers(1, 5),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_hours_equal_a_recount(
    use: Use, offsets_us: list[tuple[int, bool]], batch_events: int
) -> None:
    with transaction.atomic(using=OPERATOR):
        epoch = make_epoch(started_at=NOON)
        for offset_us, taken_back in offsets_us:
            mine = replace(use, admitted_at=NOON + offset_us * MICROSECOND)
            (event,) = commit(epoch, mine)
            if taken_back:
                commit(epoch, undoing(event, mine))
        roll_up(batch_events=batch_events)
        assert_recounted(use)
        transaction.set_rollback(True, using=OPERATOR)


QUARTER = HOUR / 4


@pytest.mark.parametrize("rolled", [False, True])
@pytest.mark.parametrize(
    ("since", "until", "requests"),
    [
        (0, 8, [4, 4]),
        (1, 8, [3, 4]),
        (1, 7, [3, 3]),
        (0, 5, [4, 1]),
        (3, 5, [1, 1]),
        (1, 3, [2]),
        (4, 5, [1]),
    ],
)
def test_hours_that_a_range_cuts_count_what_lies_inside(
    use: Use, since: int, until: int, requests: list[int], rolled: bool
) -> None:
    commit(
        make_epoch(started_at=NOON),
        *(replace(use, admitted_at=NOON + n * QUARTER) for n in range(-4, 12)),
    )
    if rolled:
        roll_up()
    report = ask(
        Dimension.HOUR, start=NOON + since * QUARTER, end=NOON + until * QUARTER
    )
    assert [row.requests for row in report.rows] == requests


@pytest.mark.parametrize("rolled", [False, True])
def test_hour_in_which_a_billing_day_begins_is_told_by_day(
    operator_db: None, rolled: bool
) -> None:
    tenant = make_tenant(zone="Asia/Kolkata")
    cover(tenant=tenant, earliest=NOON - DAY, latest=NOON + DAY)
    use = make_use(price=make_price(), admitted_at=NOON, tenant=tenant)
    evening = NOON + 6 * HOUR  # midnight is half past
    commit(
        make_epoch(started_at=NOON),
        *(replace(use, admitted_at=evening + n * QUARTER) for n in range(-1, 5)),
    )
    if rolled:
        roll_up()

    bounds = {"start": NOON, "end": NOON + DAY, "tenant_id": tenant.pk}
    by_both = ask(Dimension.DAY, Dimension.HOUR, **bounds)
    by_hour = ask(Dimension.HOUR, **bounds)

    assert [(row.group.day, row.group.hour, row.requests) for row in by_both.rows] == [
        (TODAY, evening - HOUR, 1),
        (TODAY, evening, 2),
        (TODAY + DAY, evening, 2),
        (TODAY + DAY, evening + HOUR, 1),
    ]
    assert [row.requests for row in by_hour.rows] == [1, 4, 1]


@pytest.fixture
def without_hours(use: Use) -> Epoch:
    """Roll eleven events up as it was done before there were hours."""
    epoch = make_epoch(started_at=NOON, state="closed")
    commit(epoch, *(replace(use, admitted_at=NOON + n * QUARTER) for n in range(11)))
    roll_up()
    HourRollup.objects.all().delete()
    RollupMark.objects.update(hours_seq=0)
    return epoch


def test_hours_catch_up_in_batches(use: Use, without_hours: Epoch) -> None:
    assert roll_up(batch_events=3).events == 0
    assert marks_of(without_hours) == (11, 11)
    assert_recounted(use)

    roll_up()
    assert_recounted(use)


def test_catching_up_goes_on_where_it_was_cut_off(
    use: Use, without_hours: Epoch
) -> None:
    with (
        connections[OPERATOR].execute_wrapper(failing_after(2)),
        pytest.raises(ConnectionError),
    ):
        roll_up(batch_events=3)
    assert marks_of(without_hours) == (11, 6)

    roll_up(batch_events=3)

    assert marks_of(without_hours) == (11, 11)
    assert_recounted(use)


def failing_after(hours_batches: int) -> Callable[..., Any]:
    """Return an execute wrapper under which the next batch of hours is cut off."""
    left = hours_batches

    def execute(run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        nonlocal left
        if "INSERT INTO usage_hourrollup" in sql:
            if not left:
                raise ConnectionError("cut off")
            left -= 1
        return run(sql, *rest)

    return execute


def test_new_events_reach_days_and_hours_while_hours_catch_up(
    use: Use, without_hours: Epoch
) -> None:
    late = commit(without_hours, use, use)

    assert roll_up(batch_events=2).events == len(late)
    assert marks_of(without_hours) == (13, 8)

    assert roll_up(batch_events=2).events == 0
    assert marks_of(without_hours) == (13, 13)
    assert_recounted(use)


def test_answer_is_whole_before_hours_have_caught_up(
    use: Use, without_hours: Epoch
) -> None:
    by_hour = ask(Dimension.HOUR, tenant_id=use.tenant_id)
    assert [row.requests for row in by_hour.rows] == [4, 4, 3]
    roll_up()
    assert ask(Dimension.HOUR, tenant_id=use.tenant_id).rows == by_hour.rows


def test_an_hour_that_is_none_is_refused(use: Use) -> None:
    with pytest.raises(IntegrityError, match="whole"), transaction.atomic(OPERATOR):
        HourRollup.objects.create(
            tenant_id=use.tenant_id,
            hour=NOON + MICROSECOND,
            price_id=use.price.id,
            requests=1,
            input_tokens=0,
            cached_input_tokens=0,
            output_tokens=0,
            reasoning_tokens=0,
            charge_picos=0,
        )


def test_a_tenant_sees_its_own_hours(fresh_database: object) -> None:
    with as_operator():
        price = make_price()
        mine, other = (make_use(price=price, admitted_at=NOON) for _ in range(2))
        commit(make_epoch(started_at=NOON), mine, other)
        roll_up()
        assert HourRollup.objects.count() == 2
    with as_tenant(mine.tenant_id):
        assert [row.tenant_id for row in HourRollup.objects.all()] == [mine.tenant_id]
    connections.close_all()
