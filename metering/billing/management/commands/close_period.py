"""Close ended billing periods and let their invoices be issued.

The worker does this by itself; the command is for rehearsals (`--now`) and for those
who do not want to wait. It says what it waits for and exits 1 when a period cannot be
closed.
"""

import argparse
import datetime as dt
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kit.errors import PlatformError
from kit.money import format_minor, format_picos
from kit.orm.roles import as_operator
from metering.billing import services
from metering.billing.periods import last_ended
from metering.billing.selectors import lines_of
from metering.billing.services import Closed
from metering.usage.selectors import database_now
from metering.usage.services import cover
from metering.usage.zones import ONE_DAY, month_of
from tenants.models import Tenant

AHEAD_MAX = dt.timedelta(days=800)


class Command(BaseCommand):
    """Close periods."""

    help = "Close ended billing periods into invoices and have them issued."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take the tenant, the period and the instant."""
        parser.add_argument(
            "--tenant",
            metavar="SLUG",
            help="close this tenant's period, and those before it; default: all due",
        )
        parser.add_argument(
            "--period",
            metavar="YYYY-MM",
            type=_month,
            help="close the period that begins in this month, with --tenant; "
            "default: the last one that ended",
        )
        parser.add_argument(
            "--now",
            metavar="INSTANT",
            type=_instant,
            help="close as if it were this instant, such as 2026-12-01T02:00:00Z",
        )
        parser.add_argument(
            "--no-issue",
            action="store_true",
            help="leave the invoices as drafts; the worker issues them later",
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON document"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Close, issue and print."""
        with as_operator():
            try:
                closed = self._close(options)
                if not options["no_issue"]:
                    closed = [_issued(each, options["now"]) for each in closed]
            except PlatformError as error:
                raise CommandError(error.message) from None
            documents = [_document(each) for each in closed]
        if options["json"]:
            self.stdout.write(json.dumps({"periods": documents}, indent=2))
            return
        for document in documents:
            self.stdout.write(_text(document))
        if not documents:
            self.stdout.write("No period is due.")

    def _close(self, options: dict[str, Any]) -> list[Closed]:
        present = database_now()
        now = options["now"] = options["now"] or present
        if now > present + AHEAD_MAX:
            raise CommandError(f"--now lies more than {AHEAD_MAX.days} days ahead")
        if options["tenant"] is None:
            if options["period"] is not None:
                raise CommandError("--period needs --tenant")
            return services.close_due_periods(now=now)
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"there is no tenant '{options['tenant']}'")
        cover(tenant=tenant, earliest=tenant.created_at, latest=now)
        date = options["period"] or last_ended(tenant=tenant, now=now).first_date
        return services.close_periods_through(tenant=tenant, date=date, now=now)


def _issued(closed: Closed, now: dt.datetime) -> Closed:
    if closed.invoice is None:
        return closed
    invoice = services.advance_invoice(invoice=closed.invoice, now=now)
    return Closed(closed.period, invoice)


def _document(closed: Closed) -> dict[str, Any]:
    """Return a period and its invoice; exact amounts are text: no float holds them."""
    period, invoice = closed.period, closed.invoice
    document: dict[str, Any] = {
        "tenant": period.tenant.slug,
        "period": f"{period.first_date:%Y-%m}",
        "first_date": period.first_date.isoformat(),
        "end_date": period.end_date.isoformat(),
        "state": period.state,
        "invoice": None,
    }
    if invoice is not None:
        document["invoice"] = {
            "public_id": str(invoice.public_id),
            "number": invoice.number,
            "state": invoice.state,
            "provider": invoice.provider,
            "provider_reference": invoice.provider_reference,
            "hosted_url": invoice.hosted_url,
            "problem": invoice.problem,
            "currency": invoice.currency,
            "exact_picos": str(invoice.exact_picos),
            "amount_minor": invoice.amount_minor,
            "lines_sha256": invoice.lines_sha256,
            "lines": [
                {
                    "position": line.position,
                    "kind": line.kind,
                    "description": line.description,
                    "model": line.model,
                    "token_class": line.get_token_class_display(),
                    "quantity": line.quantity,
                    "unit_picos": _text_of(line.unit_picos),
                    "exact_picos": str(line.exact_picos),
                    "amount_minor": line.amount_minor,
                }
                for line in lines_of(invoice)
            ],
        }
    return document


def _text_of(picos: int | None) -> str | None:
    """Return picos as JSON has them: text, or null where there is no price."""
    return None if picos is None else str(picos)


def _text(document: dict[str, Any]) -> str:
    head = f"{document['tenant']} {document['period']}: "
    invoice = document["invoice"]
    if invoice is None:
        return head + "closed, nothing to invoice"
    currency = invoice["currency"]
    lines = [
        head + f"invoice {invoice['number'] or 'draft'} ({invoice['state']})",
        *(
            f"  {line['position']:>3}  {line['description']}: {line['quantity']:,}, "
            f"{format_picos(int(line['exact_picos']))} exact, "
            f"{format_minor(line['amount_minor'], currency)}"
            for line in invoice["lines"]
        ),
        f"  total {format_picos(int(invoice['exact_picos']))} exact, "
        f"{format_minor(invoice['amount_minor'], currency)}",
    ]
    lines += [f"  held: {invoice['problem']}"] if invoice["problem"] else []
    lines += [f"  {invoice['hosted_url']}"] if invoice["hosted_url"] else []
    return "\n".join(lines)


def _month(text: str) -> dt.date:
    try:
        # Every period that begins in a month holds its last day.
        return month_of(dt.date.fromisoformat(f"{text}-01"))[1] - ONE_DAY
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError("give a month such as 2026-11") from None


def _instant(text: str) -> dt.datetime:
    try:
        instant = dt.datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise argparse.ArgumentTypeError(
            "give an instant with its offset, such as 2026-12-01T02:00:00Z"
        )
    return instant
