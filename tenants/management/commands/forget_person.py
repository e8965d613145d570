"""Forget a person by the address that names it, everywhere in the installation."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from kit.errors import PlatformError
from kit.orm.roles import as_operator
from tenants import services


class Command(BaseCommand):
    """`forget_person --email ada@acme.example`."""

    help = (
        "Clear the names and addresses of a person whose places were all left; "
        "the audit stays whole. There is no way back."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the address."""
        parser.add_argument("--email", required=True, help="address of the person")
        parser.add_argument(
            "--json", action="store_true", help="answer with one JSON object"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Forget the person and say where it was found."""
        try:
            with as_operator():
                found = services.forget_person(
                    email=options["email"], now=timezone.now()
                )
        except PlatformError as refused:
            raise CommandError(refused.message) from None
        counts = asdict(found)
        if options["json"]:
            self.stdout.write(json.dumps(counts))
            return
        listed = ", ".join(f"{name}: {count}" for name, count in counts.items())
        self.stdout.write(f"Forgotten ({listed}).")
