"""What each database role may do, asked of PostgreSQL's own catalog and by trying."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql

from kit.orm.roles import as_operator
from tests.databases import Database
from tests.factories.tenants import make_tenant

# What operators note on tenants is theirs alone.
OPERATORS_ALONE = {"tenants_note", "tenants_mail", "ledger_grantrequest"}
SERVICE_ROLES = ("tollgate_app", "tollgate_operator", "tollgate_gateway")
Rows = list[tuple[object, ...]]


@pytest.fixture
def ask(fresh_database: Database) -> Iterator[Callable[[str], Rows]]:
    """Ask the database as its owner."""
    with psycopg.connect(fresh_database.url_for("owner")) as owner:
        yield lambda question: owner.execute(question.encode()).fetchall()


def test_no_service_role_passes_by_the_policies(ask: Callable[[str], Rows]) -> None:
    found = ask(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'tollgate\\_%' "
        "AND rolname <> 'tollgate_owner' "
        "AND NOT (rolbypassrls OR rolsuper OR rolcreaterole OR rolcreatedb)"
    )
    assert {name for (name,) in found} == set(SERVICE_ROLES)


def test_services_own_nothing(ask: Callable[[str], Rows]) -> None:
    """An owner is not held by its own policies."""
    owned = ask(
        "SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner) IN "
        f"{SERVICE_ROLES} AND relnamespace = 'public'::regnamespace"
    )
    assert owned == []


def test_every_table_of_a_tenant_is_guarded(ask: Callable[[str], Rows]) -> None:
    tables = ask(
        """
        SELECT relname, relrowsecurity, ARRAY(
                   SELECT pg_get_userbyid(role)::text
                     FROM pg_policy, unnest(polroles) AS role WHERE polrelid = t.oid)
          FROM pg_class t
          JOIN pg_attribute a ON attrelid = t.oid AND attname = 'tenant_id'
         WHERE relkind IN ('r', 'p') AND NOT relispartition AND NOT attisdropped
           AND relnamespace = 'public'::regnamespace
        """
    )
    assert {"tenants_apikey", "usage_event"} <= {str(name) for name, *_ in tables}
    unguarded = [
        name
        for name, secured, roles in tables
        if not secured or not _who_may(name) <= set(roles)  # type: ignore[call-overload]
    ]
    assert unguarded == []


def _who_may(table: object) -> set[str]:
    operators = {"tollgate_operator"}
    return operators if table in OPERATORS_ALONE else operators | {"tollgate_app"}


def test_nothing_is_granted_on_a_partition(ask: Callable[[str], Rows]) -> None:
    """The parent's policies do not guard a partition that is named directly."""
    partitions = ask("SELECT count(*) FROM pg_class WHERE relispartition")
    assert partitions[0][0] != 0
    granted = ask(
        f"""
        SELECT relname, role
          FROM pg_class t, unnest(ARRAY{list(SERVICE_ROLES)}) AS role
         WHERE relispartition AND relkind = 'r' AND (
               has_any_column_privilege(role, t.oid, 'SELECT, INSERT, UPDATE')
               OR has_table_privilege(role, t.oid, 'DELETE, TRUNCATE'))
        """
    )
    assert granted == []


@pytest.fixture
def two_tenants(fresh_database: Database) -> tuple[int, int]:
    """Make two tenants and return their ids."""
    with as_operator():
        return make_tenant().pk, make_tenant().pk


def test_the_app_role_sees_no_tenant_until_one_is_set(
    fresh_database: Database, two_tenants: tuple[int, int]
) -> None:
    mine, _ = two_tenants
    with psycopg.connect(fresh_database.url_for("app")) as app:
        assert app.execute("SELECT id FROM tenants_tenant").fetchall() == []
        app.execute("SELECT set_config('tollgate.tenant', %s, true)", [str(mine)])
        assert app.execute("SELECT id FROM tenants_tenant").fetchall() == [(mine,)]
        app.commit()
        # The next transaction on the same connection starts without a tenant again.
        assert app.execute("SELECT id FROM tenants_tenant").fetchall() == []


def test_the_app_role_writes_for_its_own_tenant_only(
    fresh_database: Database, two_tenants: tuple[int, int]
) -> None:
    mine, other = two_tenants
    insert = "INSERT INTO tenants_project (tenant_id, slug, name) VALUES (%s, 'p', 'P')"
    with psycopg.connect(fresh_database.url_for("app")) as app:
        app.execute("SELECT set_config('tollgate.tenant', %s, true)", [str(mine)])
        app.execute(insert, [mine])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app.execute(insert, [other])


def test_the_app_role_does_not_read_what_providers_answer(
    fresh_database: Database,
) -> None:
    with (
        psycopg.connect(fresh_database.url_for("app")) as app,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        app.execute("SELECT FROM billing_provideroperation")


@pytest.mark.parametrize("table", ["usage_event", "usage_correction"])
@pytest.mark.parametrize(
    "change", ["DELETE FROM {}", "UPDATE {} SET tenant_id = 0", "TRUNCATE {}"]
)
@pytest.mark.parametrize("role", ["gateway", "operator", "app"])
def test_no_service_changes_what_was_metered(
    fresh_database: Database, role: str, change: str, table: str
) -> None:
    url = fresh_database.url_for(role)  # type: ignore[arg-type]
    statement = sql.SQL(change).format(sql.Identifier(table))
    with (
        psycopg.connect(url) as service,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        service.execute(statement)


def test_the_gateway_role_reads_neither_keys_nor_people(
    fresh_database: Database,
) -> None:
    with psycopg.connect(fresh_database.url_for("gateway"), autocommit=True) as gateway:
        for table in ("tenants_apikey", "tenants_tenant", "auth_user"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                gateway.execute(f"SELECT FROM {table}".encode())
