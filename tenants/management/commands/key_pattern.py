"""Print what a secret scanner needs to find this product's keys and tokens."""

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand

from tenants import scanning


class Command(BaseCommand):
    """`key_pattern --json`."""

    help = "Print the patterns of keys and tokens, for secret scanners."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the form of the answer as an option."""
        parser.add_argument(
            "--json", action="store_true", help="answer with one JSON object"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print them."""
        if options["json"]:
            self.stdout.write(json.dumps(scanning.published(), indent=2))
            return
        for kind in scanning.KINDS:
            self.stdout.write(f"{kind.slug}: {kind.pattern}")
            self.stdout.write(f"  {kind.description} {kind.remedy}")
