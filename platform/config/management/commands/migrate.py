"""Migrate as the owner role, which alone may change the schema.

A change of a table waits for whoever reads it, and all that come later wait behind it,
gateways that settle requests too. So it waits for moments only, then lets the others
through and tries again.

Failure: where a table is held for longer than `PATIENCE_S`, by a proof of the books for
one, it ends and says so. What was done is kept: the next run goes on from there.
"""

from time import monotonic, sleep
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands.migrate import Command as Migrate
from django.db import OperationalError

from kit.orm.roles import OWNER

PATIENCE_S = 600.0
PAUSE_S = 5.0
# A lock that was not had in time, or that others wait for who hold what is needed.
_IN_USE = frozenset({"55P03", "40P01"})


class Command(Migrate):
    """Django's `migrate`, on the owner's connection unless told otherwise."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the usual arguments with the owner as default."""
        super().add_arguments(parser)
        parser.set_defaults(database=OWNER)

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, as often as tables are in use."""
        until = monotonic() + PATIENCE_S
        while True:
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                if not _is_for_a_lock(error):
                    raise
                if monotonic() >= until:
                    raise CommandError(
                        "A table is in use for too long, as while the books are"
                        " verified or exported. What was done is kept: migrate again"
                        " later."
                    ) from error
            else:
                return
            self.stderr.write("A table is in use: trying again.")
            sleep(PAUSE_S)


def _is_for_a_lock(error: OperationalError) -> bool:
    return getattr(error.__cause__, "sqlstate", None) in _IN_USE
