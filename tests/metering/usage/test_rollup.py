"""Rollups: equal to a recount, whatever is committed and however it is taken."""

import datetime as dt
import threading
from dataclasses import replace

import pytest
from django.db import OperationalError, connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.contracts import TokenClass, TokenCounts
from kit.orm.atomic import atomic, cursor
from kit.orm.roles import OPERATOR, as_operator
from metering.usage.models import (
    BillingDay,
    ChangedDay,
    DayRollup,
    Event,
    HourRollup,
    RollupMark,
)
from metering.usage.selectors import recount, rolled_up
from metering.usage.services import roll_up, take_changed_days
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use, undoing

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
# Berlin's longest and shortest day of 2026, and the day between two others.
CHANGES = (dt.date(2026, 10, 25), dt.date(2026, 3, 29), dt.date(2026, 7, 1))


@pytest.fixture
def use(operator_db: None) -> Use:
    return make_use(price=make_price(), admitted_at=NOON)


def test_request_becomes_one_row_per_token_class(use: Use) -> None:
    commit(make_epoch(started_at=NOON), use, use)

    assert roll_up().events == 2

    rows = DayRollup.objects.filter(tenant_id=use.tenant_id)
    assert {row.token_class: (row.quantity, row.charge_picos) for row in rows} == {
        TokenClass.REQUESTS: (2, 0),
        TokenClass.INPUT: (200, 200 * 3_000_000),
        TokenClass.CACHED_INPUT: (40, 40 * 300_000),
        TokenClass.OUTPUT: (100, 100 * 15_000_000),
    }
    assert {row.date for row in rows} == {NOON.date()}


def test_rolling_up_twice_adds_once(use: Use) -> None:
    commit(make_epoch(started_at=NOON), use)
    roll_up()
    before = rolled_up(tenant_id=use.tenant_id, date=NOON.date())

    assert roll_up().events == 0
    assert rolled_up(tenant_id=use.tenant_id, date=NOON.date()) == before


def test_batches_are_bounded_and_go_on_from_the_mark(use: Use) -> None:
    epoch = make_epoch(started_at=NOON)
    commit(epoch, *[use] * 7)

    assert roll_up(batch_events=3).events == 7
    assert RollupMark.objects.get(epoch=epoch).rolled_seq == 7


def test_correction_falls_on_the_day_of_its_original(use: Use) -> None:
    epoch = make_epoch(started_at=NOON)
    (original,) = commit(epoch, use)
    roll_up()

    commit(epoch, undoing(original, use))
    roll_up()

    rolled = rolled_up(tenant_id=use.tenant_id, date=NOON.date())
    assert {token_class: sums for (*_, token_class), sums in rolled.items()} == {
        TokenClass.REQUESTS: (1, 0)
    }


def test_changed_days_are_listed_for_the_ledger(use: Use) -> None:
    commit(make_epoch(started_at=NOON), use)
    roll_up()
    assert ChangedDay.objects.filter(tenant_id=use.tenant_id, date=NOON.date()).exists()


def test_day_begins_at_its_first_instant_and_ends_before_its_last(
    operator_db: None,
) -> None:
    tenant = make_tenant(zone="Europe/Berlin")
    use = make_use(price=make_price(), admitted_at=NOON, tenant=tenant)
    epoch = make_epoch(started_at=NOON)
    commit(epoch, use)
    roll_up()
    day = BillingDay.objects.get(tenant_id=tenant.pk, date=NOON.date())
    tick = dt.timedelta(microseconds=1)

    commit(
        epoch,
        replace(use, admitted_at=day.starts_at - tick),
        replace(use, admitted_at=day.starts_at),
        replace(use, admitted_at=day.ends_at - tick),
        replace(use, admitted_at=day.ends_at),
    )
    roll_up()

    requests = DayRollup.objects.filter(
        tenant_id=tenant.pk, token_class=TokenClass.REQUESTS
    )
    assert dict(requests.values_list("date", "quantity")) == {
        dt.date(2026, 11, 20): 1,
        dt.date(2026, 11, 21): 3,
        dt.date(2026, 11, 22): 1,
    }


def test_gap_stops_its_epoch_and_no_other(use: Use) -> None:
    holed, whole = make_epoch(started_at=NOON), make_epoch(started_at=NOON)
    commit(holed, use, use)
    commit(holed, use, skip=1)
    commit(whole, use)

    report = roll_up()

    assert report.events == 3
    (fault,) = report.faults
    assert (fault.epoch_id, fault.seq) == (holed.pk, 3)
    assert fault.reason == "the number is missing"
    assert RollupMark.objects.get(epoch=holed).rolled_seq == 2
    assert RollupMark.objects.get(epoch=whole).rolled_seq == 1


def test_missing_last_number_is_a_gap(use: Use) -> None:
    epoch = make_epoch(started_at=NOON)
    commit(epoch, use)
    epoch.last_seq = 2
    epoch.save(update_fields=["last_seq"])

    report = roll_up()

    assert report.events == 1
    assert [fault.seq for fault in report.faults] == [2]


def test_number_given_twice_stops_before_it(use: Use) -> None:
    epoch = make_epoch(started_at=NOON)
    commit(epoch, use, use)
    commit(epoch, use, skip=-1)

    report = roll_up()

    assert report.events == 1
    assert report.faults[0].reason == "the number was given 2 times"


def test_wrong_charge_stops_before_it(use: Use) -> None:
    epoch = make_epoch(started_at=NOON)
    dearer = replace(use.price, output_picos=use.price.output_picos + 1)
    commit(epoch, use, replace(use, price=dearer))

    report = roll_up()

    assert report.events == 1
    assert "rates to" in report.faults[0].reason


def test_unknown_price_stops_before_it(use: Use) -> None:
    epoch = make_epoch(started_at=NOON)
    commit(epoch, replace(use, price=replace(use.price, id=0)))
    assert roll_up().faults[0].reason == "its price does not exist"


def test_unknown_tenant_stops_its_epoch_and_no_other(use: Use) -> None:
    commit(make_epoch(started_at=NOON), replace(use, tenant_id=0))
    commit(make_epoch(started_at=NOON), use)
    report = roll_up()
    assert report.events == 1
    assert report.faults[0].reason == "its tenant does not exist"


counts = st.builds(
    TokenCounts,
    input_tokens=st.integers(0, 10**6),
    cached_input_tokens=st.integers(0, 10**6),
    output_tokens=st.integers(0, 10**6),
)
moments = st.tuples(
    st.sampled_from(CHANGES), st.integers(-26 * 3600 * 10**6, 26 * 3600 * 10**6)
)


@given(
    requests=st.lists(st.tuples(counts, moments, st.booleans()), max_size=12),
    batch_events=st.integers(1, 5),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_rollup_equals_recount(
    operator_db: None,
    requests: list[tuple[TokenCounts, tuple[dt.date, int], bool]],
    batch_events: int,
) -> None:
    with transaction.atomic(using=OPERATOR):
        tenant = make_tenant(zone="Europe/Berlin")
        first = make_use(price=make_price(), admitted_at=NOON, tenant=tenant)
        uses = []
        for count, (date, offset_us), _ in requests:
            midnight = dt.datetime.combine(date, dt.time(), tzinfo=dt.UTC)
            at = midnight + dt.timedelta(microseconds=offset_us)
            uses.append(replace(first, counts=count, admitted_at=at))
        epoch = make_epoch(started_at=NOON)
        events = commit(epoch, *uses)
        commit(
            epoch,
            *(
                undoing(event, use)
                for event, use, (_, _, taken_back) in zip(
                    events, uses, requests, strict=True
                )
                if taken_back
            ),
        )

        report = roll_up(batch_events=batch_events)

        assert not report.faults
        dates = BillingDay.objects.filter(tenant_id=tenant.pk)
        for date in dates.values_list("date", flat=True):
            assert rolled_up(tenant_id=tenant.pk, date=date) == recount(
                tenant_id=tenant.pk, date=date
            )
        rolled = DayRollup.objects.filter(tenant_id=tenant.pk)
        assert sum(row.charge_picos for row in rolled) == sum(
            Event.objects.filter(tenant_id=tenant.pk).values_list(
                "charge_picos", flat=True
            )
        )
        transaction.set_rollback(True, using=OPERATOR)


def test_competing_rollers_take_each_event_once(fresh_database: object) -> None:
    with as_operator():
        price = make_price()
        uses = [make_use(price=price, admitted_at=NOON) for _ in range(3)]
        epochs = [make_epoch(started_at=NOON) for _ in range(3)]
        for epoch in epochs:
            for _ in range(10):
                commit(epoch, *uses)
    taken: list[int] = []
    start = threading.Barrier(4)

    def roll() -> None:
        with as_operator():
            start.wait()
            for _ in range(10):
                taken.append(roll_up(batch_events=7).events)
            connections.close_all()

    rollers = [threading.Thread(target=roll) for _ in range(4)]
    for roller in rollers:
        roller.start()
    for roller in rollers:
        roller.join()

    with as_operator():
        roll_up()
        for use in uses:
            rolled = rolled_up(tenant_id=use.tenant_id, date=NOON.date())
            assert rolled == recount(tenant_id=use.tenant_id, date=NOON.date())
            requests = [sums for (*_, kind), sums in rolled.items() if kind == 0]
            assert requests == [(30, 0)]
            (hour,) = HourRollup.objects.filter(tenant_id=use.tenant_id)
            assert (hour.requests, hour.output_tokens) == (30, 30 * 50)
    assert sum(taken) <= 90


def test_changed_day_cannot_be_taken_from_under_a_rollup(
    fresh_database: object,
) -> None:
    with as_operator():
        use = make_use(price=make_price(), admitted_at=NOON)
        epoch = make_epoch(started_at=NOON)
        commit(epoch, use)
        roll_up()
        commit(epoch, use)
    refused: list[OperationalError] = []

    def take() -> None:
        with as_operator():
            try:
                with atomic(), cursor() as session:
                    session.execute("SET LOCAL lock_timeout = '100ms'")
                    take_changed_days([(use.tenant_id, NOON.date())])
            except OperationalError as error:
                refused.append(error)
            connections.close_all()

    with as_operator(), atomic():
        roll_up()
        # The day was listed before, and this batch is not committed: who took the day
        # now would not see the batch, and nobody would list the day again.
        taker = threading.Thread(target=take)
        taker.start()
        taker.join()

    assert "lock timeout" in str(refused[0])
    with as_operator(), atomic():
        taken = take_changed_days([(use.tenant_id, NOON.date())])
    assert taken == [(use.tenant_id, NOON.date())]
