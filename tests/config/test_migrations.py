"""A migration is judged by what it locks and breaks while gateways and workers run.

The linter reads the SQL that each would run. What it says of one that has landed, which
is not changed any more, is accepted here with the reason; anything new is refused.
"""

from pathlib import Path

import pytest
from django.apps import apps
from django_migration_linter.migration_linter import MigrationLinter
from django_migration_linter.sql_analyser.analyser import analyse_sql_statements
from django_migration_linter.sql_analyser.postgresql import PostgresqlAnalyser

from tests.databases import ROOT, Database

PRODUCT = [ROOT / name for name in ("platform", "tenants", "metering", "inference")]
ACCEPTED = {
    # They create the tables whose columns and indexes these are, so nothing is locked.
    # Its way back drops the table again.
    "config.0002_shared_cache": {"NOT_NULL", "CREATE_INDEX", "DROP_TABLE"},
    "usage.0002_events": {"NOT_NULL", "CREATE_INDEX"},
    # Its way back drops its columns again.
    "usage.0009_latency": {"DROP_COLUMN"},
    "usage.0012_handling": {"DROP_COLUMN"},
    # It fills its columns before they must not be empty, and a trigger fills those of
    # rows that the version before writes. Its way back drops them again.
    "usage.0010_periods": {"NOT_NULL", "DROP_COLUMN"},
    # The tables of limits came with the same release: they are empty.
    "tenants.0006_limits_until": {
        "ADD_UNIQUE",
        "CREATE_INDEX",
        "CREATE_INDEX_EXCLUSIVE",
        "DROP_INDEX",
    },
    # The entries' table came with the same release: it is empty.
    "tenants.0008_audit_anchors": {"CREATE_INDEX", "CREATE_INDEX_EXCLUSIVE"},
    "tenants.0012_audit_lookups": {"CREATE_INDEX", "DROP_INDEX"},
    # They make the table.
    "ledger.0004_credit": {"CREATE_INDEX"},
    "jobs.0001_initial": {"CREATE_INDEX"},
    "topups.0001_topups": {"CREATE_INDEX", "CREATE_INDEX_EXCLUSIVE"},
    # And so did the rest of the tables that are tied.
    "tenants.0013_ties": {"ADD_UNIQUE"},
    "exports.0002_rights": {"ADD_UNIQUE"},
    # A row for each tenant with a book of its own: few, and written by people alone.
    "pricing.0005_dated_assignments": {"NOT_NULL"},
    # Of books and versions there are few too; the tables of contracts are new.
    "pricing.0007_contracts": {"CREATE_INDEX", "CREATE_INDEX_EXCLUSIVE"},
    # Adjustments' table came with the same release.
    "adjustments.0003_references": {
        "ADD_UNIQUE",
        "CREATE_INDEX",
        "CREATE_INDEX_EXCLUSIVE",
    },
    # Customers and calls are a few rows a tenant and month.
    "billing.0008_accounts": {"ADD_UNIQUE"},
    # A tenant has few top-ups: the index is there in a moment. Its way back drops what
    # it adds.
    "topups.0003_paid_first": {
        "ADD_UNIQUE",
        "CREATE_INDEX",
        "CREATE_INDEX_EXCLUSIVE",
        "DROP_INDEX",
    },
    # It makes the table; and tied to it are top-ups, of which there are few.
    "collection.0001_purchases": {"CREATE_INDEX", "CREATE_INDEX_EXCLUSIVE"},
    "collection.0002_purchases_rules": {"ADD_UNIQUE"},
    # Invoices are a row a tenant and month: each index is there in a moment.
    "billing.0005_lines_of_every_kind": {
        "ADD_UNIQUE",
        "CREATE_INDEX",
        "CREATE_INDEX_EXCLUSIVE",
    },
    # Deliveries are few, written when something is told: it is done in a moment.
    "alerts.0004_replays": {"ADD_UNIQUE", "CREATE_INDEX", "CREATE_INDEX_EXCLUSIVE"},
    "alerts.0005_models_retire": {
        "ADD_UNIQUE",
        "CREATE_INDEX",
        "CREATE_INDEX_EXCLUSIVE",
    },
    # It makes the tables.
    "tenants.0019_mails": {"CREATE_INDEX", "CREATE_INDEX_EXCLUSIVE"},
}


@pytest.fixture
def linter(fresh_database: Database) -> MigrationLinter:
    """Give a linter that writes SQL as the owner role."""
    return MigrationLinter(database="owner", no_cache=True, no_output=True)


def is_ours(label: str) -> bool:
    """Tell whether an app is this product's."""
    path = Path(apps.get_app_config(label).path)
    return any(path.is_relative_to(root) for root in PRODUCT)


def said_of(sql: list[str]) -> set[str]:
    """Return the codes of what the linter finds in statements, warnings too."""
    errors, _, warnings = analyse_sql_statements(PostgresqlAnalyser, sql, [])
    return {issue.code for issue in (*errors, *warnings)}


def test_no_migration_locks_or_breaks_what_runs(linter: MigrationLinter) -> None:
    found = {}
    judged = 0
    for (label, name), migration in linter.migration_loader.disk_migrations.items():
        if not is_ours(label):
            continue
        judged += 1
        codes = said_of(linter.get_sql(label, name))
        errors, _, warnings = linter.analyse_data_migration(migration)
        codes |= {issue.code for issue in (*errors, *warnings)}
        if codes:
            found[f"{label}.{name}"] = codes
    assert judged > 10
    assert found == ACCEPTED


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("ALTER TABLE tenants_tenant ADD COLUMN x integer NOT NULL", "NOT_NULL"),
        ("ALTER TABLE tenants_tenant DROP COLUMN name", "DROP_COLUMN"),
        ("ALTER TABLE tenants_tenant RENAME COLUMN name TO x", "RENAME_COLUMN"),
        ("ALTER TABLE tenants_tenant RENAME TO x", "RENAME_TABLE"),
        ("DROP TABLE tenants_tenant", "DROP_TABLE"),
        ("ALTER TABLE tenants_tenant ALTER COLUMN name TYPE text", "ALTER_COLUMN"),
        ("ALTER TABLE tenants_tenant ADD CONSTRAINT x UNIQUE (name)", "ADD_UNIQUE"),
        ("CREATE INDEX x ON tenants_tenant (name)", "CREATE_INDEX"),
    ],
)
def test_the_linter_sees_what_it_is_there_for(statement: str, code: str) -> None:
    assert said_of([statement]) == {code}
