"""Turn a payment that came in into credit: invoice, payment and grant at once.

All of it is one transaction under the locks of the tenant, the top-up and the purchase:
a worker that dies between any two statements leaves nothing, and however often, in
whatever order and by whomever the news is brought, the credit is granted once.

Failure: a payment that is not the one asked for grants nothing, says what differs on
the purchase and is looked at by people. Owns: how purchases end as paid.
"""

import datetime as dt
from typing import TYPE_CHECKING

import structlog

from kit.orm.atomic import atomic
from kit.orm.saving import change
from metering.billing.accounts import account_named
from metering.billing.models import Invoice
from metering.billing.providers.base import remember_page
from metering.billing.providers.offline import page_url
from metering.billing.services import TopUpQuote, draft_quoted, issue_invoice
from metering.collection.buying.quoting import lines_of
from metering.collection.buying.verifying import difference
from metering.collection.following.linking import Source, link_payment
from metering.collection.models import Purchase
from metering.receivables.services import record_payment
from metering.topups import services as topups
from metering.topups.models import PROBLEM_CHARS_MAX
from tenants.models import Tenant

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client.payments import RemotePayment

log = structlog.get_logger(__name__)
State = Purchase.State
EXCESS_TO = "credit"


def complete(
    *, purchase: Purchase, found: "RemotePayment", now: dt.datetime
) -> Purchase:
    """Grant the credit of a payment that succeeded, as it was read from the provider.

    A purchase that is paid already stays as it is. One that was given up is completed
    all the same: the money has come in.
    """
    with atomic():
        row = _held(purchase)
        if row.state == State.PAID:
            return row
        is_live = account_named(row.account).is_live
        problem = difference(row, found, is_live=is_live)
        if problem:
            _refuse(row, problem)
            return row
        invoice = _invoice(row, now)
        payment = record_payment(
            invoice=invoice,
            now=now,
            amount_minor=row.total_minor,
            method=found.method,
            reference=f"stripe {found.reference}",
            # Their clock may be ahead of ours.
            received_at=min(found.paid_at or now, now),
            # Paid twice over, which only mends by hand: no money is lost.
            excess=EXCESS_TO,
        )
        source = Source(row.account, intent=found.reference, charge=found.charge)
        link_payment(payment=payment, source=source, reference=found.reference)
        changes: dict[str, object] = {
            "state": State.PAID,
            "intent": found.reference,
            "ended_at": now,
            "problem": "",
        }
        change(row, changes, action="paid")
    return row


def _held(purchase: Purchase) -> Purchase:
    """Lock the tenant, the top-up and the purchase: whoever else completes it waits."""
    Tenant.objects.select_for_update(no_key=True).get(pk=purchase.tenant_id)
    topups.held(purchase.top_up)
    rows = Purchase.objects.select_for_update(of=("self",))
    return rows.select_related("tenant", "top_up").get(pk=purchase.pk)


def _invoice(row: Purchase, now: dt.datetime) -> Invoice:
    """Issue the invoice as it was quoted; its page is ours, for it is paid already."""
    quote = TopUpQuote(lines_of(row), row.basis)
    draft = draft_quoted(tenant=row.tenant, quote=quote, provider=topups.OFFLINE)
    topups.name_invoice(top_up=row.top_up, invoice=draft)
    invoice = issue_invoice(invoice=draft, now=now)
    remember_page(invoice, page_url(invoice))
    return invoice


def _refuse(row: Purchase, problem: str) -> None:
    """Say what is wrong with a payment; nothing is granted for it."""
    log.error("payment_not_as_asked", purchase=str(row.public_id), problem=problem)
    said = f"What was paid is not what was asked for: {problem}."
    change(row, {"problem": said[:PROBLEM_CHARS_MAX]}, action="refuse")
