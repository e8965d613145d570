"""Rate cases of period components, from a file or standard input, and print them.

For whoever wants to know what a price would charge, or holds our arithmetic against
another's. `manage.py` answers `rate` itself, before there are settings; this is how
`help` lists it and how Python calls it.
"""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kit.errors import InvalidRequest
from metering.pricing.components import command


class Command(BaseCommand):
    """`rate --json FILE`."""

    help = command.HELP
    # Arithmetic needs neither a database nor a sound deployment.
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the file."""
        command.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Rate all cases, or none."""
        try:
            self.stdout.write(command.rated_file(options["json"]))
        except InvalidRequest as error:
            raise CommandError(error.message) from None
