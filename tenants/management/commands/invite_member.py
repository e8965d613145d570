"""Invite somebody into a tenant from the command line: how its first owner comes."""

import argparse
import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from kit.errors import PlatformError
from kit.orm.roles import as_operator
from tenants import selectors, services
from tenants.models import Invitation, Role


class Command(BaseCommand):
    """`invite_member --tenant acme --email ada@acme.example --role owner`."""

    help = "Offer a place in a tenant to an address; the link is in the mail alone."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the tenant, the address, the role and the projects as options."""
        parser.add_argument("--tenant", required=True, help="slug of the tenant")
        parser.add_argument("--email", required=True, help="where the link is sent")
        parser.add_argument(
            "--role",
            choices=Role.values,
            default=Role.OWNER.value,
            help="what the member may do (default: %(default)s)",
        )
        parser.add_argument(
            "--project",
            action="append",
            default=[],
            help="slug of a project to be in; may be given more than once",
        )
        parser.add_argument(
            "--json", action="store_true", help="answer with one JSON object"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Invite, and say until when."""
        try:
            with as_operator():
                row = self._invite(options)
        except PlatformError as refused:
            raise CommandError(refused.message) from None
        if options["json"]:
            until = row.expires_at.isoformat()
            self.stdout.write(json.dumps({"id": row.pk, "expires_at": until}))
            return
        self.stdout.write(
            f"Invited {row.email} as {row.role}, until {row.expires_at:%Y-%m-%d %H:%M}"
            " UTC."
        )
        if not settings.EMAIL_IS_SET:
            self.stderr.write("No mail is sent yet: set EMAIL_HOST or EMAIL_FOLDER.")

    def _invite(self, options: dict[str, Any]) -> Invitation:
        tenant = selectors.tenant_by_slug(options["tenant"])
        projects = [
            selectors.project_by_slug(tenant=tenant, slug=slug)
            for slug in options["project"]
        ]
        return services.invite(
            tenant=tenant,
            email=options["email"],
            role=options["role"],
            project_ids=[project.pk for project in projects],
            now=timezone.now(),
        )
