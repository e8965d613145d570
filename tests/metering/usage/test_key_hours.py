"""Hours by project and key: equal to events, kept for a while, whole from a bound."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.orm.roles import OPERATOR, as_operator, as_tenant
from metering.usage import asking
from metering.usage.key_hours import KEPT_FOR
from metering.usage.models import (
    Epoch,
    HourRollup,
    KeyHourRollup,
    KeyHourSpan,
    RollupMark,
)
from metering.usage.report import Dimension, UsageRow
from metering.usage.services import cover, purge_key_hours, roll_up
from tenants.models import Tenant
from tests.factories.pricing import make_price
from tests.factories.tenants import make_key, make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use, undoing
from tests.metering.usage.test_usage import ask

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
QUARTER = HOUR / 4
MICROSECOND = dt.timedelta(microseconds=1)


@pytest.fixture
def use(operator_db: None) -> Use:
    tenant = make_tenant()
    cover(tenant=tenant, earliest=NOON - 40 * DAY, latest=NOON + 2 * DAY)
    return make_use(price=make_price(), admitted_at=NOON, tenant=tenant)


@pytest.fixture
def other(use: Use) -> Use:
    """Describe a use of another key of the same tenant."""
    tenant = Tenant.objects.get(pk=use.tenant_id)
    return replace(use, api_key_id=make_key(tenant=tenant, name="other").row.pk)


def keep_from(hour: dt.datetime) -> None:
    """Say that rows are whole from an hour on, and forget those before."""
    KeyHourSpan.objects.update(kept_from=hour)
    KeyHourRollup.objects.filter(hour__lt=hour).delete()


def by_key(use: Use, **bounds: Any) -> tuple[UsageRow, ...]:
    return ask(Dimension.HOUR, Dimension.KEY, tenant_id=use.tenant_id, **bounds).rows


def test_hour_has_a_row_for_each_key(use: Use, other: Use) -> None:
    commit(make_epoch(started_at=NOON), use, other, other)

    roll_up()

    rows = KeyHourRollup.objects.order_by("requests")
    assert [(row.hour, row.api_key_id, row.requests) for row in rows] == [
        (NOON, use.api_key_id, 1),
        (NOON, other.api_key_id, 2),
    ]
    assert {row.project_id for row in rows} == {use.project_id}
    (hour,) = HourRollup.objects.all()
    assert sum(row.charge_picos for row in rows) == hour.charge_picos > 0


@given(
    offsets_us=st.lists(
        st.tuples(st.integers(-(10**10), 10**10), st.booleans()), max_size=10
    ),
    batch_events=st.integers(1, 5),
    bounds=st.tuples(st.integers(-10, 10), st.integers(1, 20)),
    kept=st.integers(-4, 4),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_answers_equal_those_of_events(
    use: Use,
    offsets_us: list[tuple[int, bool]],
    batch_events: int,
    bounds: tuple[int, int],
    kept: int,
) -> None:
    """Whatever is rolled up, corrected, cut by the range or not kept any more."""
    first, length = bounds
    asked = {
        "start": NOON + first * QUARTER,
        "end": NOON + (first + length) * QUARTER,
        "tenant_id": use.tenant_id,
    }
    questions = [
        (Dimension.HOUR, Dimension.KEY),
        (Dimension.DAY, Dimension.KEY),
        (Dimension.DAY, Dimension.MODEL),
        (Dimension.PROJECT,),
    ]
    with transaction.atomic(using=OPERATOR):
        epoch = make_epoch(started_at=NOON)
        for offset_us, taken_back in offsets_us:
            mine = replace(use, admitted_at=NOON + offset_us * MICROSECOND)
            (event,) = commit(epoch, mine)
            if taken_back:
                commit(epoch, undoing(event, mine))
        keep_from(NOON + kept * HOUR)
        of_events = [ask(*each, **asked).rows for each in questions]
        roll_up(batch_events=batch_events)
        assert [ask(*each, **asked).rows for each in questions] == of_events
        transaction.set_rollback(True, using=OPERATOR)


@pytest.mark.parametrize(
    ("by", "table"),
    [
        ((Dimension.KEY,), KeyHourRollup),
        ((Dimension.HOUR, Dimension.MEMBER), KeyHourRollup),
        ((Dimension.MODEL,), HourRollup),
    ],
)
def test_whole_hours_of_a_day_that_is_cut_are_read_from_hours(
    use: Use,
    by: tuple[Dimension, ...],
    table: type[KeyHourRollup] | type[HourRollup],
) -> None:
    commit(make_epoch(started_at=NOON), use)
    roll_up()
    table.objects.update(requests=70)
    bounds = {"start": NOON - HOUR - QUARTER, "tenant_id": use.tenant_id}

    def asked(end: dt.datetime) -> int:
        return sum(row.requests for row in ask(*by, **bounds, end=end).rows)

    assert asked(NOON + HOUR) == 70
    assert asked(NOON + 2 * QUARTER) == 1


def test_old_hours_go_and_answers_stay(use: Use, other: Use) -> None:
    old = NOON - KEPT_FOR + 5 * QUARTER
    epoch = make_epoch(started_at=NOON)
    commit(epoch, *(replace(use, admitted_at=old + n * QUARTER) for n in range(-6, 3)))
    commit(epoch, replace(other, admitted_at=old))
    roll_up()
    bounds = {"start": old - 2 * HOUR, "end": old + 2 * HOUR}
    before = by_key(use, **bounds)

    gone = [purge_key_hours(now=NOON), purge_key_hours(now=NOON - DAY)]

    assert gone == [1, 0]
    kept_from = NOON - KEPT_FOR
    assert KeyHourSpan.objects.get().kept_from == kept_from
    assert min(KeyHourRollup.objects.values_list("hour", flat=True)) == kept_from
    assert by_key(use, **bounds) == before


def test_old_hours_go_in_slices_and_a_later_run_goes_on(use: Use) -> None:
    old = NOON - KEPT_FOR
    commit(
        make_epoch(started_at=NOON),
        *(replace(use, admitted_at=old - n * HOUR) for n in range(8)),
    )
    roll_up()
    bounds = {"start": old - DAY, "end": old + HOUR}
    before = by_key(use, **bounds)
    gone = []
    for _ in range(3):
        gone.append(purge_key_hours(now=NOON, rows=2, slices=2))
        assert KeyHourSpan.objects.get().kept_from == old
        assert by_key(use, **bounds) == before
    assert gone == [4, 3, 0]
    assert [row.hour for row in KeyHourRollup.objects.all()] == [old]


def test_without_its_bound_nothing_is_lost(use: Use) -> None:
    commit(make_epoch(started_at=NOON), use)
    roll_up()
    KeyHourSpan.objects.all().delete()
    commit(make_epoch(started_at=NOON), use)
    roll_up()
    assert [row.requests for row in by_key(use)] == [2]
    assert KeyHourRollup.objects.get().requests == 1


def test_what_comes_late_for_an_hour_that_went_is_counted_once(use: Use) -> None:
    commit(make_epoch(started_at=NOON), use)
    roll_up()
    keep_from(NOON + HOUR)
    commit(make_epoch(started_at=NOON), use, replace(use, admitted_at=NOON + HOUR))

    roll_up()

    (row,) = KeyHourRollup.objects.all()
    assert row.hour == NOON + HOUR
    rows = by_key(use, start=NOON - HOUR, end=NOON + 2 * HOUR)
    assert [each.requests for each in rows] == [2, 1]


@pytest.fixture
def without_keys(use: Use) -> Epoch:
    """Roll seven events up as it was done before there were hours by key."""
    epoch = make_epoch(started_at=NOON, state="closed")
    commit(epoch, *(replace(use, admitted_at=NOON + n * QUARTER) for n in range(7)))
    roll_up()
    KeyHourRollup.objects.all().delete()
    RollupMark.objects.update(keyed_seq=0)
    return epoch


def test_hours_by_key_catch_up_in_batches(use: Use, without_keys: Epoch) -> None:
    before = by_key(use)
    assert [row.requests for row in before] == [4, 3]

    assert roll_up(batch_events=3).events == 0

    mark = RollupMark.objects.get(epoch=without_keys)
    assert (mark.rolled_seq, mark.hours_seq, mark.keyed_seq) == (7, 7, 7)
    rows = KeyHourRollup.objects.order_by("hour")
    assert [row.requests for row in rows] == [4, 3]
    assert by_key(use) == before


@pytest.mark.parametrize(
    ("by", "table", "mark"),
    [
        ((Dimension.HOUR, Dimension.KEY), KeyHourRollup, "keyed_seq"),
        ((Dimension.KEY,), KeyHourRollup, "keyed_seq"),
        ((Dimension.MODEL,), HourRollup, "hours_seq"),
    ],
)
@pytest.mark.parametrize(("lag_max", "counted"), [(3, 4 * 70 + 3), (2, 9)])
def test_hours_far_behind_are_not_read(
    use: Use,
    monkeypatch: pytest.MonkeyPatch,
    by: tuple[Dimension, ...],
    table: type[KeyHourRollup] | type[HourRollup],
    mark: str,
    lag_max: int,
    counted: int,
) -> None:
    """What else would be read are the events of all tenants above the mark."""
    commit(
        make_epoch(started_at=NOON),
        *(replace(use, admitted_at=NOON + n * 2 * QUARTER) for n in range(8)),
        replace(use, admitted_at=NOON + 4 * HOUR),
    )
    roll_up()
    table.objects.update(requests=70)
    RollupMark.objects.update(**{mark: 6})
    monkeypatch.setattr(asking, "HOURS_LAG_MAX", lag_max)

    bounds = {"start": NOON, "end": NOON + 4 * HOUR + QUARTER}
    rows = ask(*by, tenant_id=use.tenant_id, **bounds).rows

    assert sum(row.requests for row in rows) == counted


def test_a_tenant_reads_its_own_hours_by_key(fresh_database: object) -> None:
    with as_operator():
        price = make_price()
        mine, foreign = (make_use(price=price, admitted_at=NOON) for _ in range(2))
        commit(make_epoch(started_at=NOON), mine, foreign)
        roll_up()
        assert KeyHourRollup.objects.count() == 2
    with as_tenant(mine.tenant_id):
        (row,) = KeyHourRollup.objects.all()
        assert row.tenant_id == mine.tenant_id
        assert [each.requests for each in by_key(mine)] == [1]
    connections.close_all()
