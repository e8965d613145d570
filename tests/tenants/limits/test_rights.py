"""What the database itself holds a tenant to, and two who switch at once.

The rules hold without any service: each statement runs as the role that serves tenants.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import psycopg
import pytest
from django.db import connections

from kit.orm.roles import OPERATOR, as_operator
from tenants import services
from tenants.models import Plan
from tests.databases import Database
from tests.factories.limits import make_plan, make_quota
from tests.factories.tenants import make_tenant


@pytest.fixture
def app(fresh_database: Database) -> Iterator[psycopg.Connection]:
    """Provide a connection of the app role."""
    with psycopg.connect(fresh_database.url_for("app")) as session:
        yield session


def become(session: psycopg.Connection, tenant_id: int) -> None:
    """Let the session's transaction be a tenant's."""
    session.rollback()
    session.execute("SELECT set_config('tollgate.tenant', %s, true)", (str(tenant_id),))


NEW = """
    INSERT INTO tenants_quota (tenant_id, level, set_by, model, is_hard, warn_at,
                               unit, "window", value)
    VALUES (%s, 'tenant', %s, '', true, '{}', 'tokens', 'day', 1)
"""


def test_a_tenant_inserts_its_own_and_nobody_elses(app: psycopg.Connection) -> None:
    mine, other = make_tenant(), make_tenant()
    become(app, mine.pk)
    assert app.execute(NEW, (mine.pk, "tenant")).rowcount == 1
    for values in ((mine.pk, "operator"), (other.pk, "tenant"), (None, "tenant")):
        become(app, mine.pk)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(NEW, values)


def test_a_tenant_changes_no_row_of_the_operators(app: psycopg.Connection) -> None:
    mine, plan = make_tenant(), make_plan(is_default=True)
    rows = [make_quota(tenant=mine).pk, make_quota(plan=plan).pk]
    become(app, mine.pk)
    seen = app.execute("SELECT id FROM tenants_quota ORDER BY id").fetchall()
    assert seen == [(row,) for row in rows]
    assert app.execute("UPDATE tenants_quota SET value = 9").rowcount == 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("DELETE FROM tenants_quota")


def test_a_tenant_does_not_make_its_own_row_the_operators(
    app: psycopg.Connection,
) -> None:
    mine = make_tenant()
    become(app, mine.pk)
    app.execute(NEW, (mine.pk, "tenant"))
    assert app.execute("UPDATE tenants_quota SET value = 9").rowcount == 1
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("UPDATE tenants_quota SET set_by = 'operator'")


def test_a_tenant_sees_one_plan_and_writes_none(app: psycopg.Connection) -> None:
    default, own = make_plan(is_default=True), make_plan()
    make_plan()
    lone, placed = make_tenant(), make_tenant()
    with as_operator():
        services.set_plan(tenant=placed, plan=own)
    for tenant, plan in ((lone, default), (placed, own)):
        become(app, tenant.pk)
        assert app.execute("SELECT id FROM tenants_plan").fetchall() == [(plan.pk,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute("UPDATE tenants_plan SET is_default = false")
    app.rollback()
    assert app.execute("SELECT id FROM tenants_plan").fetchall() == []


def test_of_those_who_switch_the_default_at_once_the_last_one_wins(
    fresh_database: Database,
) -> None:
    plans = [make_plan() for _ in range(4)]
    start = Barrier(len(plans))

    def switch(plan: Plan) -> None:
        try:
            with as_operator():
                start.wait(10)
                services.make_default_plan(plan=plan)
        finally:
            connections[OPERATOR].close()

    with ThreadPoolExecutor(len(plans)) as pool:
        list(pool.map(switch, plans))
    with as_operator():
        assert Plan.objects.filter(is_default=True).count() == 1
