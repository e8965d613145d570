"""Migrate as the owner role, which alone may change the schema."""

import argparse

from django.core.management.commands.migrate import Command as Migrate

from kit.orm.roles import OWNER


class Command(Migrate):
    """Django's `migrate`, on the owner's connection unless told otherwise."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the usual arguments with the owner as default."""
        super().add_arguments(parser)
        parser.set_defaults(database=OWNER)
