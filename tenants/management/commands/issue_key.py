"""Issue an API key from the command line; its text goes to stdout, nowhere else."""

import argparse
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kit.errors import PlatformError
from kit.orm.roles import as_operator
from tenants import selectors, services


class Command(BaseCommand):
    """`issue_key --tenant acme --project default --name laptop`."""

    help = "Issue an API key and print it: it is shown once and cannot be read again."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the owner and the name as options."""
        parser.add_argument("--tenant", required=True, help="slug of the tenant")
        parser.add_argument(
            "--project",
            default=services.DEFAULT_PROJECT,
            help="slug of the tenant's project (default: %(default)s)",
        )
        parser.add_argument("--name", required=True, help="what the key is for")
        parser.add_argument(
            "--json", action="store_true", help="answer with one JSON object"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Issue the key and print it."""
        try:
            with as_operator():
                tenant = selectors.tenant_by_slug(options["tenant"])
                project = selectors.project_by_slug(
                    tenant=tenant, slug=options["project"]
                )
                issued = services.issue_key(
                    tenant=tenant, project=project, name=options["name"]
                )
        except PlatformError as refused:
            raise CommandError(refused.message) from None
        if options["json"]:
            self.stdout.write(json.dumps({"id": issued.row.pk, "key": issued.key}))
        else:
            self.stdout.write(issued.key)
