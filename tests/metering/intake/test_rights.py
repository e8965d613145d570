"""The gateway's role can do what the meter does, and nothing else."""

import psycopg
import pytest

from kit.orm.isolation import ROLES
from tests.databases import Database
from tests.metering.intake.metered import OUTCOME, admit, meter, started

READABLE = {
    "control_publication",
    "pricing_contract",
    "pricing_price",
    "pricing_pricebook",
    "pricing_pricebookassignment",
    "pricing_pricebookversion",
    "usage_checkpoint",
    "usage_correction",
    "usage_epoch",
    "usage_event",
}
WRITABLE = {
    # What it says of itself, over and over.
    ("control_pulse", "INSERT"),
    ("control_pulse", "SELECT"),
    ("control_pulse", "UPDATE"),
    # How often it refused, counted by the hour.
    ("control_refusal", "INSERT"),
    ("control_refusal", "SELECT"),
    ("control_refusal", "UPDATE"),
    ("usage_checkpoint", "DELETE"),
    ("usage_checkpoint", "INSERT"),
    ("usage_checkpoint", "UPDATE"),
    ("usage_correction", "INSERT"),
    ("usage_epoch", "INSERT"),
    ("usage_epoch", "UPDATE"),
    ("usage_event", "INSERT"),
}
_RIGHTS = """
SELECT class.relname, rights.name
FROM pg_class class
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS rights (name)
WHERE class.relnamespace = 'public'::regnamespace AND class.relkind IN ('r', 'p', 'v')
    AND has_any_column_privilege('tollgate_gateway', class.oid, rights.name)
UNION
SELECT class.relname, rights.name
FROM pg_class class
CROSS JOIN unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) AS rights (name)
WHERE class.relnamespace = 'public'::regnamespace AND class.relkind IN ('r', 'p', 'v')
    AND has_table_privilege('tollgate_gateway', class.oid, rights.name)
"""


def test_gateway_has_no_other_right_on_any_table(database: Database) -> None:
    """Holds for tables that come later, too: a new right has to be listed here."""
    with psycopg.connect(database.url_for("owner")) as connection:
        rights = set(connection.execute(_RIGHTS).fetchall())

    expected = {(table, "SELECT") for table in READABLE} | WRITABLE
    assert rights == expected


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE usage_event SET charge_picos = 0",
        "DELETE FROM usage_event",
        "TRUNCATE usage_event",
        "INSERT INTO usage_event (committed_at) VALUES (now())",
        "UPDATE usage_correction SET source = 'other'",
        "DELETE FROM usage_correction",
        "DELETE FROM usage_epoch",
        "SELECT FROM usage_event_default",
        "SELECT FROM tenants_apikey",
        "SELECT FROM tenants_tenant",
        "SELECT FROM tenants_project",
        "SELECT FROM ledger_entry",
        "SELECT FROM ledger_transaction",
        "SELECT FROM billing_invoice",
        "SELECT FROM usage_dayrollup",
        "SELECT usage_make_partition(current_date)",
        "SET ROLE tollgate_operator",
        "CREATE TABLE mine ()",
    ],
)
def test_gateway_is_refused(url: str, statement: str) -> None:
    with (
        psycopg.connect(url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


async def test_events_are_append_only_for_everybody(
    url: str, database: Database
) -> None:
    async with started(meter(url)) as made:
        await made.settle(admit(made), OUTCOME)

    for role, refusal in (
        ("owner", psycopg.errors.RestrictViolation),
        ("operator", psycopg.errors.InsufficientPrivilege),
        ("app", psycopg.errors.InsufficientPrivilege),
    ):
        for statement in (
            "UPDATE usage_event SET charge_picos = 0",
            "DELETE FROM usage_event",
            "TRUNCATE usage_event CASCADE",
        ):
            with (
                psycopg.connect(database.url_for(role)) as connection,  # type: ignore[arg-type]
                pytest.raises(refusal),
            ):
                connection.execute(statement.encode())


def test_no_role_passes_by_the_policies(database: Database) -> None:
    with psycopg.connect(database.url_for("owner")) as connection:
        rows = connection.execute(
            "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles"
            " WHERE rolname = ANY (%s)",
            [list(ROLES)],
        ).fetchall()

    assert {row[0] for row in rows} == set(ROLES)
    assert not any(is_super or bypasses for _, is_super, bypasses in rows)
