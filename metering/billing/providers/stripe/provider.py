"""Take an invoice through Stripe: draft, lines, read back, compare, number, finalise.

Each step looks at what Stripe holds before it asks for anything, so that a run that was
cut off anywhere is taken up by the next one. Only a draft that equals our invoice to
the minor unit gets a number, and the number is ours.

Failure: a difference or a refusal leaves the draft, says so in `Invoice.problem`, and
is looked at afresh by the next run. No answer leaves a step in doubt, and the next run
settles it.
"""

import datetime as dt
from collections.abc import Callable

import structlog
from django.conf import settings

from metering.billing import services
from metering.billing.accounts import UnknownAccount
from metering.billing.driving import sole_driver
from metering.billing.models import Invoice
from metering.billing.operations import CallRefused, NotYet, OutcomeUnknown, Parked
from metering.billing.providers import base
from metering.billing.providers.base import Progress
from metering.billing.providers.stripe import mapping
from metering.billing.providers.stripe.client import StripeAccount, client_for
from metering.billing.providers.stripe.comparison import Differs
from metering.billing.providers.stripe.computed import (
    LOCATION_INVALID,
    NotLocated,
    not_located,
)
from metering.billing.providers.stripe.steps import Steps

log = structlog.get_logger(__name__)


class _Untakable(Exception):
    """Stripe could never be paid its total; says why."""


class StripeProvider:
    """Sends invoices through Stripe, each to its account."""

    name = "stripe"

    def __init__(self, clients: Callable[[str], StripeAccount] = client_for) -> None:
        self._clients = clients

    @property
    def at_once(self) -> int:
        """Return how many invoices are on their way at once."""
        return int(settings.STRIPE_CONCURRENCY)

    def advance(self, invoice: Invoice, *, now: dt.datetime) -> Progress:
        """Take the invoice as far as Stripe lets it go now."""
        with sole_driver(provider=self.name, tenant_id=invoice.tenant_id) as alone:
            invoice.refresh_from_db()
            if base.finished(invoice):
                return Progress.FINISHED
            # Or it left for another provider since it was looked up.
            if not alone or invoice.provider != self.name:
                return Progress.TAKEN
            problem = base.refusal(invoice) or (
                # One that has its number already goes on as it can.
                mapping.untakable(invoice) if invoice.number is None else ""
            )
            try:
                if not problem:
                    self._advance(invoice, now=now)
            except Differs as difference:
                problem = f"Stripe does not hold this invoice: {difference}."
            except Parked as refusal:
                problem = f"Stripe refused too often, and is not asked again: {refusal}"
            except (NotLocated, UnknownAccount, _Untakable) as lack:
                problem = str(lack)
            except CallRefused as refusal:
                problem = f"Stripe refused: {refusal}"
                if refusal.code == LOCATION_INVALID:
                    problem = str(not_located(invoice.tenant_id))
            except NotYet:
                # Its problem still says what was refused.
                return Progress.HELD
            except OutcomeUnknown as delay:
                log.info("invoice_waits", invoice=invoice.pk, why=str(delay))
                return Progress.DELAYED
            base.hold(invoice, problem)
            return Progress.HELD if problem else Progress.FINISHED

    def _advance(self, invoice: Invoice, *, now: dt.datetime) -> None:
        account = self._clients(invoice.provider_account)
        steps = Steps(account, invoice, now=now)
        customer = steps.customer()
        remote = steps.draft(customer)
        if remote.status == "draft":
            remote = steps.verified(remote, customer)
            # By now it has its computed tax.
            if invoice.number is None and (why := mapping.untakable(invoice)):
                raise _Untakable(why)
            services.issue_invoice(invoice=invoice, now=now)
            invoice.refresh_from_db()
            remote = steps.finalised(steps.numbered(remote))
        steps.finish(remote)
