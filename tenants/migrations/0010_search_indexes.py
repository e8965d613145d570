"""Let operators search parts of names among a hundred thousand keys."""

from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations

_SEARCHED = {
    "tenants_tenant": ("slug", "name", "billing_email"),
    "tenants_project": ("slug", "name"),
    "tenants_member": ("email", "name"),
    "tenants_apikey": ("name", "shown"),
}


def _index(table: str, column: str) -> migrations.RunSQL:
    # The expression that a search in any case makes of a column.
    name = f"{table}_{column}_trigrams"
    return migrations.RunSQL(
        # Killed while it made one, it is run again, and that one is in the way.
        [
            f"DROP INDEX CONCURRENTLY IF EXISTS {name}",
            f"CREATE INDEX CONCURRENTLY {name} ON {table} USING gin (upper({column}::text) gin_trgm_ops)",
        ],
        f"DROP INDEX CONCURRENTLY {name}",
    )


class Migration(migrations.Migration):
    """Index the trigrams of what is searched, while keys are issued."""

    atomic = False
    dependencies = [("tenants", "0009_replaced_tokens")]
    operations = [
        TrigramExtension(),
        *(
            _index(table, column)
            for table, columns in _SEARCHED.items()
            for column in columns
        ),
    ]
