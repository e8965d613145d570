"""Migrate as the owner role, which alone may change the schema."""

from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as Migrate

from kit.orm.roles import OWNER


class Command(Migrate):
    """Django's `migrate`, on the owner's connection unless told otherwise."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the usual arguments with the owner as default."""
        super().add_arguments(parser)
        parser.set_defaults(database=OWNER)
