"""The rules in SQL are those in Python; and who may ask for what, and write what."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.db import connections
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kit.orm.roles import as_operator
from metering.usage.calendar import renew_calendar
from metering.usage.models import BillingDay
from metering.usage.selectors import database_now
from metering.usage.services import cover
from metering.usage.zones import month_of
from tenants.limits.resolution import Kind, Measure, Row, Subject, resolve
from tenants.models import Tenant
from tests.databases import Database, Role
from tests.factories.tenants import make_tenant
from tests.metering.budgets.sessions import (
    grant,
    open_epoch,
    open_windows,
    place,
    session,
    write_days,
)

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
OWN_PLAN, DEFAULT_PLAN, OTHER_PLAN = 5, 6, 7
HOLDERS = {"tenant": (1, 2), "project": (10, 11), "api_key": (20, 21)}


@st.composite
def limits(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a row of budgets or quotas: of the tenant, another one, or a plan."""
    level = draw(st.sampled_from(sorted(HOLDERS)))
    kind = draw(st.sampled_from(["budget", "quota"]))
    row: dict[str, Any] = {
        "level": level,
        "model": draw(st.sampled_from(["", "", "a"])),
        "is_hard": draw(st.sampled_from([True, True, False])),
        "window": draw(st.sampled_from(["day", "day", "month"])),
        "ends_at": draw(st.sampled_from([None, None, NOW - HOUR, NOW, NOW + HOUR])),
        "ended_at": draw(st.sampled_from([None, None, None, NOW - HOUR, NOW])),
        "set_by": draw(st.sampled_from(["operator", "tenant"])),
    }
    plan = draw(st.sampled_from([None, None, OWN_PLAN, DEFAULT_PLAN, OTHER_PLAN]))
    if plan is not None:
        row |= {"plan_id": plan, "set_by": "operator"}
    else:
        row["tenant_id"] = draw(st.sampled_from([1, 1, 1, 2]))
        if level != "tenant":
            # Projects and keys are of one tenant each.
            whose = HOLDERS[level] if row["tenant_id"] == 1 else (30,)
            row[f"{level}_id"] = draw(st.sampled_from(whose))
    value = draw(st.integers(0, 50))
    if kind == "budget":
        row |= {
            "amount_picos": value,
            "currency": draw(st.sampled_from(["USD", "USD", "EUR"])),
        }
    else:
        row |= {
            "value": value,
            "unit": draw(st.sampled_from(["tokens", "tokens", "input_tokens"])),
        }
    return {"kind": kind, "row": row}


def as_row(number: int, kind: str, row: dict[str, Any]) -> Row:
    """Return a drawn row as resolution takes it."""
    measure = Measure(
        Kind(kind), row.get("unit", ""), row["window"], row.get("currency", "")
    )
    holder = row.get(f"{row['level']}_id")
    return Row(
        id=number,
        measure=measure,
        level=row["level"],
        value=row.get("value", row.get("amount_picos", 0)),
        holder_id=holder,
        plan_id=row.get("plan_id"),
        is_tenants=row["set_by"] == "tenant",
        model=row["model"],
        is_hard=row["is_hard"],
        ends_at=row["ends_at"],
        ended_at=row["ended_at"],
    )


@pytest.fixture(scope="module")
def unbound(
    postgres_server: str, django_db_blocker: Any
) -> Iterator[psycopg.Connection[Any]]:
    """Provide a session without foreign keys, in a database with two tenants."""
    from tests.databases import cloned  # noqa: PLC0415

    with django_db_blocker.unblock(), cloned(postgres_server) as database:
        address = urlsplit(database.server)._replace(path=f"/{database.name}")
        with psycopg.connect(urlunsplit(address)) as connection:
            connection.execute("SET session_replication_role = replica")
            yield connection


def _quota(**given: Any) -> dict[str, Any]:
    row = {"level": "tenant", "model": "", "is_hard": True, "window": "day"}
    row |= {"ends_at": None, "ended_at": None, "set_by": "operator", "unit": "tokens"}
    return {"kind": "quota", "row": row | given}


# The holder's own for good, and its plan's until a date.
_OWN_AND_PLAN = [
    _quota(tenant_id=1, value=9),
    _quota(plan_id=OWN_PLAN, value=3, ends_at=NOW + HOUR),
    _quota(plan_id=OWN_PLAN, value=4),
]


@example(rows=_OWN_AND_PLAN, has_plan=True)
@example(rows=_OWN_AND_PLAN[1:], has_plan=True)
@given(rows=st.lists(limits(), max_size=20), has_plan=st.booleans())
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_limit_in_force_is_the_one_that_is_resolved(
    unbound: psycopg.Connection[Any], rows: list[dict[str, Any]], has_plan: bool
) -> None:
    plan_id = OWN_PLAN if has_plan else DEFAULT_PLAN
    try:
        _insert_tenant(unbound, OWN_PLAN if has_plan else None)
        found = [
            as_row(n, each["kind"], each["row"]) for n, each in _kept(unbound, rows)
        ]
        chains = 0
        for project in HOLDERS["project"]:
            for key in HOLDERS["api_key"]:
                subject = Subject(1, "USD", plan_id, project, key)
                for each in resolve(found, subject, now=NOW):
                    chains += 1
                    row = each.row
                    assert _limit(unbound, row, each.holder_id) == row.value
        # And nothing is limited of which nothing is resolved.
        resolved = {
            (each.row.level, each.row.measure, each.row.model, each.row.is_hard)
            for each in resolve(found, Subject(1, "USD", plan_id, 10, 20), now=NOW)
        }
        for row in found:
            slot = (row.level, row.measure, row.model, row.is_hard)
            if slot not in resolved and row.measure.currency in ("", "USD"):
                holder = HOLDERS[row.level][0]
                assert _limit(unbound, row, holder) is None
    finally:
        unbound.rollback()
        unbound.execute("SET session_replication_role = replica")


def _insert_tenant(connection: psycopg.Connection[Any], plan_id: int | None) -> None:
    for number in (1, 2):
        _insert(
            connection,
            "tenants_tenant",
            {"id": number, "slug": f"t{number}", "name": "t", "currency": "USD"}
            | {"plan_id": plan_id},
        )
    for number in (OWN_PLAN, DEFAULT_PLAN, OTHER_PLAN):
        _insert(
            connection,
            "tenants_plan",
            {"id": number, "slug": f"p{number}", "name": "p"}
            | {"is_default": number == DEFAULT_PLAN},
        )


def _kept(
    connection: psycopg.Connection[Any], rows: list[dict[str, Any]]
) -> list[tuple[int, dict[str, Any]]]:
    """Insert those rows that the constraints let in, and number them."""
    kept = []
    for number, each in enumerate(rows, 1):
        row = {"id": number, "warn_at": [], **each["row"]}
        if _insert(connection, f"tenants_{each['kind']}", row):
            kept.append((number, each))
    return kept


def _insert(
    connection: psycopg.Connection[Any], table: str, values: dict[str, Any]
) -> int:
    """Insert a row, its other columns with some value of their kind."""
    known = connection.execute(
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_name = %s AND is_nullable = 'NO' AND column_default IS NULL"
        " AND identity_generation IS NULL",
        [table],
    ).fetchall()
    blank = {"boolean": False, "timestamp with time zone": NOW, "ARRAY": []}
    for name, kind in known:
        values.setdefault(name, blank.get(kind, 0 if "int" in kind else ""))
    names = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join(["%s"] * len(values))
    return connection.execute(
        f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE VALUES ({marks})"
        " ON CONFLICT DO NOTHING".encode(),
        list(values.values()),
    ).rowcount


def _limit(connection: psycopg.Connection[Any], row: Row, holder: int) -> int | None:
    what = {
        "tenant_id": 1,
        "level": row.level,
        "holder_id": holder,
        "kind": row.measure.kind.value,
        "unit": row.measure.unit,
        "window": row.measure.window,
        "model": row.model,
        "posted": 0,
    }
    found = connection.execute(
        "SELECT budgets_limit(jsonb_populate_record(NULL::budgets_window, %s), %s, %s)",
        [json.dumps(what), NOW, row.is_hard],
    ).fetchone()
    assert found is not None
    return None if found[0] is None else int(found[0])


def test_windows_are_billing_days_and_their_months(fresh_database: Database) -> None:
    day = 24 * HOUR
    with as_operator():
        now = database_now()
        for zone, next_zone in (
            ("Europe/Berlin", "Europe/Berlin"),
            ("America/Sao_Paulo", "Pacific/Apia"),
            ("Pacific/Apia", "America/Havana"),
        ):
            tenant = make_tenant(zone=zone)
            Tenant.objects.using("owner").filter(pk=tenant.pk).update(zone=next_zone)
            tenant.refresh_from_db()
            # From the coming month on, days are those of the new zone.
            renew_calendar(tenant=tenant, now=now)
            cover(tenant=tenant, earliest=now - 200 * day, latest=now + 330 * day)
            _require_spans(fresh_database, tenant.pk)
    connections.close_all()


def _require_spans(database: Database, tenant_id: int) -> None:
    days = list(BillingDay.objects.filter(tenant_id=tenant_id).order_by("date"))
    assert {(day.ends_at - day.starts_at) // HOUR for day in days} > {24}
    with session(database, "operator") as operator:

        def span(window: str, at: dt.datetime) -> Any:
            return operator.execute(
                "SELECT starts_at, ends_at FROM budgets_span(%s, %s, %s)",
                [tenant_id, window, at],
            ).fetchone()

        for day in days[::7] + days[-3:] + [d for d in days if d.date.day in (1, 28)]:
            first, following = month_of(day.date)
            month = [each for each in days if first <= each.date < following]
            whole = (month[0].starts_at, month[-1].ends_at)
            last = day.ends_at - dt.timedelta(microseconds=1)
            for at in (day.starts_at, last):
                assert span("day", at) == (day.starts_at, day.ends_at)
                assert span("month", at) == whole
                starts_at, ends_at = span("forever", at)
                assert starts_at < at < ends_at
        for at in (days[0].starts_at - HOUR, days[-1].ends_at):
            assert span("day", at) == (None, None)


REFUSED: tuple[tuple[Role, str], ...] = (
    ("gateway", "UPDATE budgets_window SET posted = 0"),
    ("gateway", "UPDATE budgets_lease SET amount = 0"),
    ("gateway", "INSERT INTO budgets_lease VALUES (1, 1, 1, 1, 0)"),
    ("gateway", "DELETE FROM budgets_lease"),
    ("gateway", "SELECT budgets_recall(1)"),
    ("gateway", "SELECT * FROM budgets_lease"),
    ("operator", "UPDATE budgets_window SET posted = 0"),
    ("operator", "UPDATE budgets_lease SET amount = 0"),
    ("operator", "INSERT INTO budgets_lease VALUES (1, 1, 1, 1, 0)"),
    ("operator", "SELECT budgets_grant(1, '{1}', '{1}', '{1}')"),
    ("app", "UPDATE budgets_window SET posted = 0"),
    ("app", "SELECT budgets_grant(1, '{1}', '{1}', '{1}')"),
    ("app", "SELECT budgets_return(1, '{1}', '{1}')"),
    ("app", "SELECT budgets_beat(1, '{1}', '{1}', '{1}')"),
    ("app", "SELECT budgets_recall(2)"),
    (
        "app",
        "SELECT budgets_limit(jsonb_populate_record(NULL::budgets_window,"
        " '{\"tenant_id\": 2}'), now(), true)",
    ),
    (
        "app",
        "SELECT budgets_used(jsonb_populate_record(NULL::budgets_window,"
        " '{\"tenant_id\": 2}'))",
    ),
)


@pytest.mark.parametrize(("role", "statement"), REFUSED)
def test_who_may_not_is_refused(
    fresh_database: Database, role: Role, statement: str
) -> None:
    with session(fresh_database, role) as connection:
        connection.execute("SELECT set_config('tollgate.tenant', '1', false)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_a_tenant_sees_its_own_windows_and_leases_alone(
    fresh_database: Database,
) -> None:
    for tenant in (1, 2):
        write_days(fresh_database, tenant)
    epoch_id = open_epoch(fresh_database)
    with session(fresh_database) as gateway:
        ids = open_windows(gateway, [place(1), place(2)])
        granted = grant(gateway, epoch_id, dict.fromkeys(ids, (5, 5)))
        # Nothing limits them.
        assert set(granted.values()) == {(5, None)}
    with session(fresh_database, "app") as app:
        for table in ("budgets_window", "budgets_lease"):
            question = f"SELECT tenant_id FROM {table}".encode()
            assert app.execute(question).fetchall() == []
            app.execute("SELECT set_config('tollgate.tenant', '2', false)")
            assert app.execute(question).fetchall() == [(2,)]
            app.execute("SELECT set_config('tollgate.tenant', '', false)")
