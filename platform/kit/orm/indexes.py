"""Add or drop an index while others work, as often as it takes.

Such an index is made outside a transaction. A migration that was killed meanwhile
leaves one of that name behind: an invalid one, which PostgreSQL keeps up to date and
never reads, or a whole one that no migration has noted. Django's operation then fails
until somebody drops it by hand. Nobody waits behind it while it waits, so it may do so
for as long as it takes.

Failure: Django's and PostgreSQL's own.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.postgres.operations import (
    AddIndexConcurrently,
    RemoveIndexConcurrently,
)
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState


class AddIndexRepeatably(AddIndexConcurrently):
    """Create an index concurrently; first drop what an attempt before left of it."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Drop the index where there is one, then create it."""
        self._ensure_not_in_transaction(schema_editor)
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(schema_editor.connection.alias, model):
            return
        name = schema_editor.quote_name(self.index.name)
        with _waiting(schema_editor):
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class RemoveIndexRepeatably(RemoveIndexConcurrently):
    """Drop an index concurrently; whoever still uses its table is waited for.

    Cut off, it would leave the index invalid, and be tried again with all before it.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """Drop the index, if it is still there."""
        self._ensure_not_in_transaction(schema_editor)
        with _waiting(schema_editor):
            super().database_forwards(app_label, schema_editor, from_state, to_state)


@contextmanager
def _waiting(schema_editor: BaseDatabaseSchemaEditor) -> Iterator[None]:
    """Let what happens within wait for locks for as long as it takes."""
    schema_editor.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        schema_editor.execute("RESET lock_timeout")
