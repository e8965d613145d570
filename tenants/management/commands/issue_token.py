"""Issue a management token from the command line; its text goes to stdout alone."""

import argparse
import datetime as dt
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from kit.errors import PlatformError
from kit.orm.roles import as_operator
from kit.scopes import EVERY
from tenants import selectors, services


class Command(BaseCommand):
    """`issue_token --tenant acme --name report --scope usage:read`."""

    help = (
        "Issue a management token and print it: it is shown once. Without a tenant it"
        " is an operator's."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the owner, the name and the scopes as options."""
        parser.add_argument("--tenant", help="slug of the tenant (default: none)")
        parser.add_argument("--name", required=True, help="what the token is for")
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=sorted(EVERY),
            help="what it may do; again for more",
        )
        parser.add_argument(
            "--network",
            action="append",
            default=[],
            help="a network that it may be used from (default: everywhere)",
        )
        parser.add_argument(
            "--days", type=int, help="days until it expires (default: never)"
        )
        parser.add_argument(
            "--json", action="store_true", help="answer with one JSON object"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue the token and print it."""
        now, days = timezone.now(), options["days"]
        try:
            with as_operator():
                slug = options["tenant"]
                issued = services.issue_token(
                    tenant=selectors.tenant_by_slug(slug) if slug else None,
                    name=options["name"],
                    scopes=options["scope"],
                    allowed_networks=options["network"],
                    expires_at=None if days is None else now + dt.timedelta(days=days),
                    now=now,
                )
        except PlatformError as refused:
            raise CommandError(refused.message) from None
        if options["json"]:
            self.stdout.write(json.dumps({"id": issued.row.pk, "token": issued.token}))
        else:
            self.stdout.write(issued.token)
