"""Create a tenant from the command line."""

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kit.errors import PlatformError
from kit.orm.roles import as_operator
from tenants import services


class Command(BaseCommand):
    """`create_tenant --slug acme --name "Acme Ltd"`."""

    help = "Create a tenant with a project named 'default'."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the tenant's fields as options."""
        parser.add_argument(
            "--slug",
            required=True,
            help="its short name: lower-case letters, digits, hyphens",
        )
        parser.add_argument("--name", required=True, help="its full name")
        parser.add_argument(
            "--currency", default="USD", help="ISO 4217 code it pays in (default: USD)"
        )
        parser.add_argument(
            "--zone", default="UTC", help="time zone of its billing days (default: UTC)"
        )
        parser.add_argument(
            "--period-day",
            type=int,
            default=1,
            help="day of the month on which its billing periods begin (default: 1)",
        )
        parser.add_argument("--billing-email", default="", help="where its invoices go")
        parser.add_argument(
            "--json", action="store_true", help="answer with one JSON object"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create it and say its id."""
        try:
            with as_operator():
                tenant = services.create_tenant(
                    slug=options["slug"],
                    name=options["name"],
                    currency=options["currency"],
                    zone=options["zone"],
                    period_day=options["period_day"],
                    billing_email=options["billing_email"],
                )
        except PlatformError as refused:
            raise CommandError(refused.message) from None
        if options["json"]:
            self.stdout.write(json.dumps({"id": tenant.pk, "slug": tenant.slug}))
        else:
            self.stdout.write(f"Tenant {tenant.slug} has id {tenant.pk}.")
