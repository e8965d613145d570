"""Hold every invariant of the events, the ledger and the invoices, over all time.

The worker does this every night; the command is for those who do not want to wait.
Exits 1 on any difference, 2 on wrong usage, 3 when the books could not be checked.
"""

import argparse
from typing import Any

from django.core.management.base import BaseCommand

from kit.orm.roles import as_operator
from metering.reconciliation import services
from metering.reconciliation.management.ending import carry_out
from metering.usage.selectors import database_now


class Command(BaseCommand):
    """Verify the ledger."""

    help = "Prove the books right, or list where they are not."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the form of the answer."""
        parser.add_argument(
            "--json", action="store_true", help="print one JSON document"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify and print."""
        with as_operator():
            carry_out(
                lambda: services.verify_ledger(now=database_now()),
                options,
                self.stdout,
            )
