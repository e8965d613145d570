"""Sums over tenants: moved with the days, caught up where days came first, never amiss.

That every answer is a count of events is shown by `test_groupings`, whose questions
over several tenants are answered from these sums.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import InvalidRequest
from kit.orm.roles import OPERATOR, as_operator, as_tenant
from metering.usage import asking
from metering.usage.models import Epoch, HourTotal, RollupMark, UtcRollup
from metering.usage.report import Dimension, Group, Source, UsageQuery
from metering.usage.services import roll_up
from metering.usage.totals import totals_lag, utc_spans
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use, undoing
from tests.metering.usage.test_usage import ask

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
MIDNIGHT = NOON.replace(hour=0)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
MICROSECOND = dt.timedelta(microseconds=1)
TODAY = NOON.date()


@pytest.fixture
def use(operator_db: None) -> Use:
    return make_use(price=make_price(), admitted_at=NOON)


def test_event_is_in_its_hour_its_day_and_its_month(use: Use) -> None:
    other = make_use(price=use.price, admitted_at=NOON)
    instants = (MIDNIGHT - MICROSECOND, MIDNIGHT, NOON, MIDNIGHT + 10 * DAY)
    commit(
        make_epoch(started_at=NOON),
        *(replace(use, admitted_at=at) for at in instants),
        other,
    )

    roll_up()

    hours = HourTotal.objects.order_by("hour").values_list("hour", "requests")
    assert list(hours) == [
        (MIDNIGHT - HOUR, 1),
        (MIDNIGHT, 1),
        (NOON, 2),
        (MIDNIGHT + 10 * DAY, 1),
    ]
    mine = UtcRollup.objects.filter(tenant_id=use.tenant_id).order_by("date")
    days = mine.filter(is_month=False).values_list("date", "requests")
    assert list(days) == [(TODAY - DAY, 1), (TODAY, 2), (dt.date(2026, 12, 1), 1)]
    months = mine.filter(is_month=True).values_list("date", "requests")
    assert list(months) == [(dt.date(2026, 11, 1), 3), (dt.date(2026, 12, 1), 1)]


def test_prices_of_one_model_and_currency_are_one_row(use: Use) -> None:
    dearer = replace(use, price=make_price(per_million=("6", "0.6", "30")))
    foreign = replace(use, price=make_price(currency="JPY"))
    commit(make_epoch(started_at=NOON), use, dearer, foreign)
    roll_up()
    rows = HourTotal.objects.order_by("currency").values_list("currency", "requests")
    assert list(rows) == [("JPY", 1), ("USD", 2)]


def test_correction_falls_where_its_original_is(use: Use) -> None:
    epoch = make_epoch(started_at=NOON)
    (original,) = commit(epoch, use)
    roll_up()
    commit(epoch, undoing(original, use))
    roll_up()
    (total,) = HourTotal.objects.all()
    assert (total.hour, total.requests, total.charge_picos) == (NOON, 1, 0)
    assert {row.charge_picos for row in UtcRollup.objects.all()} == {0}


@pytest.fixture
def without_totals(use: Use) -> Epoch:
    """Roll eleven events up as it was done before there were totals."""
    epoch = make_epoch(started_at=NOON, state="closed")
    commit(epoch, *(replace(use, admitted_at=NOON + n * HOUR) for n in range(11)))
    roll_up()
    HourTotal.objects.all().delete()
    UtcRollup.objects.all().delete()
    RollupMark.objects.update(totals_seq=0)
    return epoch


def totalled() -> list[int]:
    """Return the requests in all hours, in all days and in all months."""
    return [
        sum(row.requests for row in rows)
        for rows in (
            HourTotal.objects.all(),
            UtcRollup.objects.filter(is_month=False),
            UtcRollup.objects.filter(is_month=True),
        )
    ]


def test_totals_catch_up_in_batches_and_once(use: Use, without_totals: Epoch) -> None:
    commit(without_totals, use)
    assert roll_up(batch_events=3).events == 1
    assert RollupMark.objects.get(epoch=without_totals).totals_seq == 12
    assert totalled() == [12, 12, 12]
    roll_up()
    assert totalled() == [12, 12, 12]


def test_catching_up_goes_on_where_it_was_cut_off(without_totals: Epoch) -> None:
    with (
        connections[OPERATOR].execute_wrapper(failing_after(2)),
        pytest.raises(ConnectionError),
    ):
        roll_up(batch_events=3)
    assert RollupMark.objects.get(epoch=without_totals).totals_seq == 6

    roll_up(batch_events=3)

    assert totalled() == [11, 11, 11]


def failing_after(batches: int) -> Callable[..., Any]:
    """Return an execute wrapper under which the next batch of totals is cut off."""
    left = batches

    def execute(run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        nonlocal left
        if "INSERT INTO usage_utcrollup" in sql:
            if not left:
                raise ConnectionError("cut off")
            left -= 1
        return run(sql, *rest)

    return execute


@pytest.mark.parametrize("lag_max", [0, 1000])
@pytest.mark.parametrize("by", [(), (Dimension.TENANT,), (Dimension.KEY,)])
def test_answer_is_whole_before_totals_have_caught_up(
    without_totals: Epoch,
    monkeypatch: pytest.MonkeyPatch,
    lag_max: int,
    by: tuple[Dimension, ...],
) -> None:
    monkeypatch.setattr(asking, "LAG_MAX", lag_max)
    before = ask(Dimension.DAY, *by)
    assert [row.requests for row in before.rows] == [11]
    roll_up()
    assert ask(Dimension.DAY, *by).rows == before.rows


def test_totals_lag_behind_days_whatever_hours_do(without_totals: Epoch) -> None:
    RollupMark.objects.update(hours_seq=0)
    assert totals_lag() == 11


def test_long_range_is_refused_while_it_would_be_counted_from_events(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    kolkata = make_tenant(zone="Asia/Kolkata")
    commit(
        make_epoch(started_at=NOON),
        make_use(price=use.price, admitted_at=NOON, tenant=kolkata),
    )
    roll_up()
    bounds = {"start": TODAY - 39 * DAY, "end": TODAY + DAY}
    (row,) = ask(Dimension.DAY, Dimension.KEY, **bounds).rows
    assert row.requests == 1

    monkeypatch.setattr(asking, "LAG_MAX", 0)
    RollupMark.objects.update(totals_seq=0)

    with pytest.raises(InvalidRequest, match="counted from single events"):
        ask(Dimension.DAY, Dimension.KEY, **bounds)


def test_questions_over_tenants_are_answered_from_totals() -> None:
    whole = {"start": TODAY, "end": TODAY + DAY}
    cut = {"start": NOON, "end": NOON + HOUR}

    def source(*group_by: Dimension, **fields: Any) -> Source:
        return UsageQuery(group_by=group_by, **fields).source

    assert source(Dimension.MODEL, **whole) is Source.HOUR_TOTALS
    assert source(Dimension.HOUR, **cut) is Source.HOUR_TOTALS
    assert source(Dimension.TENANT, **whole) is Source.UTC_DAYS
    assert source(Dimension.DAY, Dimension.KEY, **whole) is Source.UTC_DAYS
    assert source(Dimension.TENANT, **cut) is Source.HOURS
    assert source(Dimension.HOUR, Dimension.TENANT, **whole) is Source.HOURS
    assert source(Dimension.KEY, **cut) is Source.DAYS
    assert source(Dimension.MODEL, reach=frozenset({1}), **whole) is Source.DAYS
    assert source(Dimension.MODEL, tenant_id=1, **whole) is Source.DAYS


@pytest.mark.parametrize("rolled", [False, True])
def test_few_of_several_tenants_are_told_apart(use: Use, rolled: bool) -> None:
    others = [make_use(price=use.price, admitted_at=NOON) for _ in range(2)]
    commit(make_epoch(started_at=NOON), use, use, *others)
    if rolled:
        roll_up()
    by = (Dimension.TENANT,)
    asked = frozenset({use.tenant_id, others[0].tenant_id})
    told = next(
        row.group for row in ask(*by).rows if row.group.tenant_id == use.tenant_id
    )
    for time in (Dimension.DAY, Dimension.HOUR):
        rows = ask(time, *by, tenants=asked, among=(told,)).rows
        found = {(row.group.tenant_id, row.group.is_told): row.requests for row in rows}
        assert found == {(use.tenant_id, True): 2, (None, False): 1}


dates = st.integers(0, 800).map(lambda day: dt.date(2026, 1, 1) + day * DAY)


@given(both=st.tuples(dates, dates).map(sorted))
def test_days_and_months_are_the_range(both: list[dt.date]) -> None:
    """Each day of the range is added once more than it is taken away, and no other."""
    start, end = both
    held: Counter[dt.date] = Counter()
    for span in utc_spans(start, end):
        assert not span.is_month or (span.first.day, span.until.day) == (1, 1)
        for number in range((span.until - span.first).days):
            held[span.first + number * DAY] += span.sign
    days = (start + number * DAY for number in range((end - start).days))
    assert {day: count for day, count in held.items() if count} == dict.fromkeys(
        days, 1
    )


def test_only_few_days_are_read_beside_months() -> None:
    spans = utc_spans(dt.date(2026, 1, 3), dt.date(2026, 12, 10))
    days = [span for span in spans if not span.is_month]
    assert sum((span.until - span.first).days for span in days) == 2 + 9


def test_a_group_of_the_days_left_out_is_none(use: Use) -> None:
    """It is in the month that these days are taken from."""
    other = make_use(price=use.price, admitted_at=NOON)
    early = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    commit(make_epoch(started_at=NOON), use, replace(other, admitted_at=early))
    roll_up()
    rows = ask(
        Dimension.TENANT, start=dt.date(2026, 11, 2), end=dt.date(2026, 12, 1)
    ).rows
    assert [row.group.tenant_id for row in rows] == [use.tenant_id]


def test_groups_come_by_name(use: Use) -> None:
    commit(make_epoch(started_at=NOON), use)
    (row,) = ask(Dimension.TENANT, Dimension.PROJECT, Dimension.KEY).rows
    (same,) = ask(
        Dimension.TENANT, Dimension.PROJECT, Dimension.KEY, tenant_id=use.tenant_id
    ).rows
    assert isinstance(row.group, Group)
    assert row == same


def test_what_is_no_whole_hour_or_month_is_refused(use: Use) -> None:
    sums = {
        "model": "m",
        "currency": "USD",
        "requests": 1,
        "input_tokens": 0,
        "cached_input_tokens": 0,
        "output_tokens": 0,
        "reasoning_tokens": 0,
        "charge_picos": 0,
    }
    with pytest.raises(IntegrityError, match="whole"), transaction.atomic(OPERATOR):
        HourTotal.objects.create(hour=NOON + MICROSECOND, **sums)
    with pytest.raises(IntegrityError, match="whole"), transaction.atomic(OPERATOR):
        UtcRollup.objects.create(
            tenant_id=1,
            is_month=True,
            date=TODAY,
            project_id=1,
            api_key_id=1,
            **sums,
        )


def test_tenants_read_none_of_them(fresh_database: object) -> None:
    with as_operator():
        use = make_use(price=make_price(), admitted_at=NOON)
        commit(make_epoch(started_at=NOON), use)
        roll_up()
    for sums in (UtcRollup, HourTotal):
        denied = pytest.raises(Exception, match="permission denied")
        with denied, as_tenant(use.tenant_id):
            sums.objects.count()
    connections.close_all()
