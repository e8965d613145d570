"""Hold the chain metered = rated = rolled up = posted = invoiced against itself.

The worker does this every night; the command is for those who do not want to wait, and
for a window or a tenant of their own. What merely waits for its next step is shown as
"not yet". Exits 1 on any difference, 2 on wrong usage, 3 when it could not be checked.
"""

import argparse
import datetime as dt
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kit.orm.roles import as_operator
from metering.reconciliation import services
from metering.reconciliation.management.ending import WRONG_USAGE, carry_out
from metering.reconciliation.models import Run
from metering.usage.selectors import database_now
from tenants.models import Tenant


class Command(BaseCommand):
    """Reconcile."""

    help = "Hold each step from usage event to invoice against the one before."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the window and the tenant."""
        parser.add_argument(
            "--start",
            metavar="DATE",
            type=_date,
            help="the first billing day; default: "
            f"{services.WINDOW_DAYS} days ago by UTC",
        )
        parser.add_argument(
            "--end",
            metavar="DATE",
            type=_date,
            help="the first billing day no longer looked at; default: none",
        )
        parser.add_argument(
            "--tenant", metavar="SLUG", help="this tenant only; default: all"
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON document"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Reconcile and print."""
        with as_operator():
            carry_out(lambda: _run(options), options, self.stdout)


def _run(options: dict[str, Any]) -> Run:
    now = database_now()
    start = options["start"] or services.usual_start(now=now)
    if options["end"] is not None and options["end"] <= start:
        raise CommandError(
            f"--end must lie after {start}: the range is half-open",
            returncode=WRONG_USAGE,
        )
    return services.reconcile(
        now=now,
        first_date=start,
        end_date=options["end"],
        tenant_id=_tenant_id(options["tenant"]),
    )


def _tenant_id(slug: str | None) -> int | None:
    if slug is None:
        return None
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise CommandError(f"there is no tenant '{slug}'", returncode=WRONG_USAGE)
    return tenant.pk


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("give a date such as 2026-11-01") from None
