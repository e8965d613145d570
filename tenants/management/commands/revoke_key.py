"""Revoke an API key from the command line: by its id, or by its text on stdin.

A leaked key is known by its text. It is read from stdin because arguments stand in the
shell's history and in the list of processes.
"""

import argparse
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from kit.errors import PlatformError
from kit.orm.roles import as_operator
from tenants import selectors, services


class Command(BaseCommand):
    """`revoke_key --id 311`, or `revoke_key --stdin < leaked`."""

    help = "Revoke an API key for good; every gateway knows within a second."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the key's id, or read its text."""
        named = parser.add_mutually_exclusive_group(required=True)
        named.add_argument("--id", type=int, help="id of the key")
        named.add_argument(
            "--stdin", action="store_true", help="read the key itself from stdin"
        )
        parser.add_argument(
            "--json", action="store_true", help="answer with one JSON object"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Revoke it and say which it was."""
        try:
            with as_operator():
                row = services.revoke_key(
                    api_key=selectors.api_key_by_text(sys.stdin.readline().strip())
                    if options["stdin"]
                    else selectors.api_key(options["id"]),
                    now=timezone.now(),
                )
        except PlatformError as refused:
            raise CommandError(refused.message) from None
        if options["json"]:
            answer = {"id": row.pk, "revoked_at": str(row.revoked_at)}
            self.stdout.write(json.dumps(answer))
        else:
            self.stdout.write(f"Key {row.pk}, {row}, is revoked.")
