"""The usage report: complete to the last commit, whatever rollups have taken over."""

import datetime as dt
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.contracts import TokenCounts
from kit.errors import InvalidRequest
from kit.orm.atomic import cursor
from metering.usage.epochs import SILENCE_MAX
from metering.usage.report import Dimension, UsageQuery, UsageReport
from metering.usage.selectors import billing_month, complete_to, database_now, usage
from metering.usage.services import close_silent_epochs, cover, roll_up
from tests.factories.pricing import make_price
from tests.factories.tenants import make_key, make_project, make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use, undoing

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
TODAY = NOON.date()
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
MICROSECOND = dt.timedelta(microseconds=1)


def ask(*group_by: Dimension, **fields: object) -> UsageReport:
    """Ask about the day, or what else `fields` say."""
    bounds = {"start": TODAY, "end": TODAY + DAY} | fields
    return usage(UsageQuery(group_by=group_by, **bounds), now=NOON)  # type: ignore[arg-type]


@pytest.fixture
def use(operator_db: None) -> Use:
    use = make_use(price=make_price(), admitted_at=NOON)
    make_use(price=use.price, admitted_at=NOON)  # another tenant that uses nothing
    return use


def test_row_holds_every_measure(use: Use) -> None:
    counts = TokenCounts(
        input_tokens=10, cached_input_tokens=5, output_tokens=7, reasoning_tokens=3
    )
    commit(make_epoch(started_at=NOON), replace(use, counts=counts))

    (row,) = ask(tenant_id=use.tenant_id).rows

    assert (row.requests, row.input_tokens, row.cached_input_tokens) == (1, 10, 5)
    assert (row.output_tokens, row.reasoning_tokens) == (7, 3)
    assert row.charge_picos == 10 * 3_000_000 + 5 * 300_000 + 7 * 15_000_000
    assert (row.charge, row.currency) == ("0.0001365", "USD")


@pytest.mark.parametrize("rolled", [False, True])
def test_event_is_answered_before_and_after_its_rollup(use: Use, rolled: bool) -> None:
    epoch = make_epoch(started_at=NOON)
    commit(epoch, use)
    roll_up()
    commit(epoch, use, replace(use, admitted_at=NOON + HOUR))
    if rolled:
        roll_up()
    (row,) = ask(tenant_id=use.tenant_id).rows
    assert row.requests == 3


def test_nothing_used_is_an_empty_answer(use: Use) -> None:
    report = ask(tenant_id=use.tenant_id)
    assert (report.rows, report.totals) == ((), ())


def test_partial_day_is_half_open_to_the_microsecond(use: Use) -> None:
    since, until = NOON + 3 * MICROSECOND, NOON + HOUR + 7 * MICROSECOND
    commit(
        make_epoch(started_at=NOON),
        replace(use, admitted_at=since - MICROSECOND),
        replace(use, admitted_at=since),
        replace(use, admitted_at=until - MICROSECOND),
        replace(use, admitted_at=until),
    )
    roll_up()
    (row,) = ask(tenant_id=use.tenant_id, start=since, end=until).rows
    assert row.requests == 2


def test_partial_day_finds_the_correction_of_its_request(use: Use) -> None:
    epoch = make_epoch(started_at=NOON)
    (event,) = commit(epoch, use)
    commit(epoch, undoing(event, use))
    (row,) = ask(tenant_id=use.tenant_id, start=NOON - HOUR, end=NOON + HOUR).rows
    assert (row.requests, row.output_tokens, row.charge_picos) == (1, 0, 0)


def test_groups_name_what_they_are_about(use: Use) -> None:
    tenant = make_tenant(slug="acme")
    project = make_project(tenant=tenant, slug="search")
    key = make_key(project=project, name="robot").row
    mine = make_use(price=use.price, admitted_at=NOON, tenant=tenant)
    mine = replace(mine, project_id=project.pk, api_key_id=key.pk)
    commit(make_epoch(started_at=NOON), mine)

    (row,) = ask(*Dimension, tenant_id=tenant.pk).rows

    assert row.group.day == TODAY
    assert (row.group.tenant, row.group.tenant_id) == ("acme", tenant.pk)
    assert (row.group.project, row.group.project_id) == ("search", project.pk)
    assert row.group.api_key_id == key.pk
    assert row.group.api_key == f"robot ({key.shown})"
    assert row.group.model == "demo-model"


def test_filters_leave_only_what_they_name(use: Use) -> None:
    other_key = make_use(price=use.price, admitted_at=NOON)
    other_model = replace(use, price=make_price(model="other"))
    commit(make_epoch(started_at=NOON), use, use, other_key, other_model)

    def requests(**filters: object) -> int:
        return sum(row.requests for row in ask(**filters).rows)

    assert requests() == 4
    assert requests(tenant_id=use.tenant_id) == 3
    assert requests(project_id=use.project_id) == 3
    assert requests(api_key_id=other_key.api_key_id) == 1
    assert requests(model="demo-model") == 3
    assert requests(model="demo-model", tenant_id=use.tenant_id) == 2
    assert requests(model="unheard-of") == 0


def test_currencies_are_never_added(use: Use) -> None:
    yen = make_price(currency="JPY")
    commit(make_epoch(started_at=NOON), use, replace(use, price=yen))
    roll_up()
    report = ask(tenant_id=use.tenant_id)
    assert [row.currency for row in report.rows] == ["JPY", "USD"]
    assert [total.currency for total in report.totals] == ["JPY", "USD"]


def test_bare_date_is_the_tenants_own_day(operator_db: None) -> None:
    tenant = make_tenant(zone="Asia/Tokyo")
    use = make_use(price=make_price(), admitted_at=NOON, tenant=tenant)
    midnight = dt.datetime(2026, 11, 20, 15, tzinfo=dt.UTC)
    commit(
        make_epoch(started_at=NOON),
        replace(use, admitted_at=midnight - MICROSECOND),
        replace(use, admitted_at=midnight),
        replace(use, admitted_at=midnight + DAY),
    )
    roll_up()
    (row,) = ask(Dimension.DAY, tenant_id=tenant.pk).rows
    assert (row.group.day, row.requests) == (TODAY, 1)


def test_several_tenants_are_answered_by_days_of_utc(operator_db: None) -> None:
    price = make_price()
    tokyo = make_use(
        price=price, admitted_at=NOON, tenant=make_tenant(zone="Asia/Tokyo")
    )
    utc = make_use(price=price, admitted_at=NOON)
    late = dt.datetime(2026, 11, 21, 23, tzinfo=dt.UTC)
    next_midnight = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
    epoch = make_epoch(started_at=NOON)
    commit(
        epoch,
        *(
            replace(use, admitted_at=at)
            for use in (tokyo, utc)
            for at in (NOON, late, next_midnight)
        ),
    )
    roll_up()

    report = ask(Dimension.DAY, end=TODAY + 2 * DAY)

    assert [(row.group.day, row.requests) for row in report.rows] == [
        (TODAY, 4),
        (TODAY + DAY, 2),
    ]
    assert ask().totals[0].requests == 4


@pytest.mark.parametrize("tenant", [True, False])
def test_long_range_of_whole_days_is_answered(use: Use, tenant: bool) -> None:
    commit(make_epoch(started_at=NOON), use)
    report = ask(
        start=TODAY - 300 * DAY,
        end=TODAY + 300 * DAY,
        tenant_id=use.tenant_id if tenant else None,
    )
    assert report.totals[0].requests == 1


def test_long_range_into_a_day_is_refused(use: Use) -> None:
    with pytest.raises(InvalidRequest, match="31 days") as caught:
        ask(start=NOON - 32 * DAY, end=NOON, tenant_id=use.tenant_id)
    assert caught.value.param == "end"
    assert ask(start=NOON - 32 * DAY, end=NOON).rows == ()


def test_long_range_into_a_day_by_key_over_other_zones_is_refused(
    operator_db: None,
) -> None:
    tenant = make_tenant(zone="Asia/Tokyo")
    cover(tenant=tenant, earliest=NOON - 40 * DAY, latest=NOON)
    bounds = {"start": TODAY - 40 * DAY, "end": TODAY}
    with pytest.raises(InvalidRequest, match="31 days") as caught:
        ask(Dimension.DAY, Dimension.PROJECT, start=NOON - 40 * DAY, end=TODAY)
    assert caught.value.param == "start"
    assert ask(Dimension.DAY, Dimension.PROJECT, **bounds).rows == ()
    assert ask(Dimension.PROJECT, **bounds).rows == ()
    assert ask(Dimension.DAY, Dimension.TENANT, **bounds).rows == ()
    assert ask(Dimension.DAY, Dimension.KEY, tenant_id=tenant.pk, **bounds).rows == ()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"end": TODAY}, "end"),
        ({"start": dt.datetime(2026, 1, 1)}, "start"),  # noqa: DTZ001
        ({"end": dt.date(9999, 1, 1)}, "end"),
        ({"project_id": 0}, "project"),
        ({"tenant_id": 0}, "tenant"),
    ],
)
def test_question_without_sense_is_refused(
    operator_db: None, fields: dict[str, object], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(**fields)
    assert caught.value.param == param


def test_month_is_the_tenants(operator_db: None) -> None:
    tenant = make_tenant(zone="Asia/Tokyo")
    last_hour = dt.datetime(2027, 1, 31, 20, tzinfo=dt.UTC)
    cover(tenant=tenant, earliest=last_hour, latest=last_hour)
    assert billing_month(now=last_hour)[0] == dt.date(2027, 1, 1)
    assert billing_month(now=last_hour, tenant=tenant)[0] == dt.date(2027, 2, 1)


@given(
    hours=st.lists(st.integers(0, 24 * 6 - 1), min_size=1, max_size=8),
    bounds=st.lists(st.integers(0, 24 * 6), min_size=2, max_size=2, unique=True),
    rolled=st.integers(0, 8),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_every_range_counts_what_was_admitted_in_it(
    use: Use, hours: list[int], bounds: list[int], rolled: int
) -> None:
    tenant = make_tenant(zone="Europe/Berlin")
    fresh = make_use(price=use.price, admitted_at=NOON, tenant=tenant)
    origin = dt.datetime(2026, 10, 23, tzinfo=dt.UTC)
    instants = [origin + hour * HOUR for hour in hours]
    epoch = make_epoch(started_at=NOON)
    for number, instant in enumerate(instants):
        commit(epoch, replace(fresh, admitted_at=instant))
        if number == rolled:
            roll_up()
    cover(tenant=tenant, earliest=origin, latest=NOON)
    since, until = (origin + hour * HOUR for hour in sorted(bounds))

    expected = sum(since <= instant < until for instant in instants)
    report = ask(start=since, end=until, tenant_id=tenant.pk)
    assert sum(row.requests for row in report.rows) == expected


def test_complete_to_is_held_back_by_the_oldest_open_request(
    operator_db: None,
) -> None:
    now = database_now()
    assert complete_to(now=now) == now

    busy = make_epoch(started_at=now - HOUR, heartbeat_at=now)
    idle = make_epoch(started_at=now - HOUR, heartbeat_at=now - MICROSECOND)
    assert complete_to(now=now) == idle.heartbeat_at

    busy.open_since = now - HOUR
    busy.save(update_fields=["open_since"])
    assert complete_to(now=now) == busy.open_since


def test_silent_gateway_holds_nothing_back_and_is_closed(operator_db: None) -> None:
    # Later than any start of the server, so that its uptime does not matter.
    now = database_now() + HOUR
    alive = make_epoch(started_at=now, heartbeat_at=now - 134 * HOUR / 3600)
    silent = make_epoch(started_at=now, heartbeat_at=now - 136 * HOUR / 3600)

    assert complete_to(now=now) == alive.heartbeat_at
    assert close_silent_epochs(now=now) == 1

    alive.refresh_from_db()
    silent.refresh_from_db()
    assert (alive.state, silent.state) == ("open", "closed")
    assert silent.closed_at is not None


def test_time_while_the_database_was_away_is_no_silence(operator_db: None) -> None:
    with cursor() as session:
        session.execute("SELECT pg_postmaster_start_time()")
        (up_since,) = session.fetchone()
    epoch = make_epoch(started_at=up_since - DAY, heartbeat_at=up_since - HOUR)

    # What such a gateway still has to commit was admitted after its last heartbeat.
    patient, silent = up_since + SILENCE_MAX, up_since + SILENCE_MAX + MICROSECOND
    assert complete_to(now=patient) == epoch.heartbeat_at
    assert complete_to(now=silent) == silent
    assert close_silent_epochs(now=patient) == 0
    assert close_silent_epochs(now=silent) == 1

    epoch.refresh_from_db()
    assert epoch.state == "closed"
