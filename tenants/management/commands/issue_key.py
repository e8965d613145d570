"""Issue an API key from the command line; its text goes to stdout, nowhere else."""

import argparse
import datetime as dt
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from kit.errors import PlatformError
from kit.orm.roles import as_operator
from kit.scopes import DATA_PLANE
from tenants import selectors, services


class Command(BaseCommand):
    """`issue_key --tenant acme --project default --name laptop`."""

    help = "Issue an API key and print it: it is shown once and cannot be read again."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the owner, the name and the rights as options."""
        parser.add_argument("--tenant", required=True, help="slug of the tenant")
        parser.add_argument(
            "--project",
            default=services.DEFAULT_PROJECT,
            help="slug of the tenant's project (default: %(default)s)",
        )
        parser.add_argument("--name", required=True, help="what the key is for")
        parser.add_argument(
            "--scope",
            action="append",
            choices=sorted(DATA_PLANE),
            help="what it may do; again for more (default: all)",
        )
        parser.add_argument(
            "--model", action="append", help="a model that it may call (default: all)"
        )
        parser.add_argument(
            "--network",
            action="append",
            help="a network that it may be used from (default: everywhere)",
        )
        parser.add_argument(
            "--days", type=int, help="days until it expires (default: never)"
        )
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
                    tenant=tenant,
                    project=project,
                    name=options["name"],
                    **_rights(options),
                )
        except PlatformError as refused:
            raise CommandError(refused.message) from None
        if options["json"]:
            self.stdout.write(json.dumps({"id": issued.row.pk, "key": issued.key}))
        else:
            self.stdout.write(issued.key)


def _rights(options: dict[str, Any]) -> services.KeyRights:
    """Return what was said of the key's rights; what was not is not narrowed."""
    rights: services.KeyRights = {}
    if options["scope"]:
        rights["scopes"] = options["scope"]
    if options["model"]:
        rights["allowed_models"] = options["model"]
    if options["network"]:
        rights["allowed_networks"] = options["network"]
    if options["days"] is not None:
        rights["expires_at"] = timezone.now() + dt.timedelta(days=options["days"])
    return rights
