"""Rate cases of period components, from a file or standard input, and print them.

For whoever wants to know what a price would charge, or holds our arithmetic against
another's. It reads no database.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kit.errors import InvalidRequest
from metering.pricing.components.documents import BYTES_MAX, rated_document


class Command(BaseCommand):
    """`rate --json FILE`."""

    help = (
        "Rate a JSON list of cases {component, quantity, [currency], [events]} and "
        "print it with each amount filled in."
    )
    # Arithmetic needs neither a database nor a sound deployment.
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the file."""
        parser.add_argument(
            "--json",
            metavar="FILE",
            required=True,
            help="the cases; - reads them from standard input",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rate all cases, or none."""
        try:
            self.stdout.write(rated_document(_read(options["json"])))
        except OSError as error:
            reason = error.strerror or str(error)
            raise CommandError(f"cannot read {options['json']}: {reason}") from None
        except InvalidRequest as error:
            raise CommandError(error.message) from None


def _read(name: str) -> bytes:
    """Read one byte more than is taken, so that too much is noticed."""
    if name == "-":
        return sys.stdin.buffer.read(BYTES_MAX + 1)
    with Path(name).open("rb") as file:
        return file.read(BYTES_MAX + 1)
