"""Follow an invoice at Stripe: read all that came of it there, and record it here.

It is read first, then applied under our invoice's lock, each payment once. So it may be
done at any time, in any order, by any number of processes, and again after a crash.

Failure: what Stripe does not answer, or what is not issued here yet, is tried again by
whoever asked. What stands otherwise there than here is said on the invoice's standing
and changes nothing here.
"""

import datetime as dt
from uuid import UUID

from kit.orm.atomic import atomic
from metering.billing.models import Invoice
from metering.billing.providers.stripe.client import client_for
from metering.billing.providers.stripe.client.account import StripeAccount
from metering.billing.providers.stripe.client.collected import CollectedInvoice
from metering.billing.providers.stripe.client.payments import RemotePayment
from metering.billing.providers.stripe.mapping import INVOICE_MARK
from metering.collection.following import recording, sharing, standings
from metering.collection.following.linking import is_linked
from metering.collection.models import Standing
from metering.collection.outgoing import overpaid
from metering.inbox.handlers import NotYet
from metering.receivables.settling import held
from metering.usage.selectors import database_now

PROVIDER = "stripe"


def follow_invoice(account: str, reference: str, *, now: dt.datetime) -> Invoice | None:
    """Read an invoice at Stripe and record what came of it; return ours, if it is.

    Must run outside a transaction. Raises `NotYet` for one that is open there before it
    is issued here.
    """
    read_at = database_now()
    client = client_for(account)
    remote = client.collected.invoice(reference)
    invoice = _ours(account, reference, remote)
    if invoice is None:
        return None
    if remote is None:
        _note_gone(invoice, read_at=read_at, now=now)
        return invoice
    if remote.status == "draft":
        return invoice
    if invoice.number is None or not invoice.provider_reference:
        raise NotYet(f"Invoice {invoice.public_id} is not issued here yet.")
    if invoice.provider_reference != reference:
        raise NotYet(
            f"Invoice {invoice.number} is {invoice.provider_reference} there, and"
            f" {reference} says that it is it: void one of the two."
        )
    details = _details(client, account, remote)
    failure = _failure(client, remote)
    if sharing.carried_in(remote):
        _follow_carried(invoice, now=now)
    with atomic():
        row = held(invoice)
        for share in sharing.shares(remote):
            payment = details.get(share.payment.reference)
            recording.record_share(row, share, payment, account=account, now=now)
        recording.record_out_of_band(row, remote, account=account, now=now)
        overpaid.ask_for(row, remote, now=now)
        row.refresh_from_db()
        standings.note(row, remote, failure=failure, read_at=read_at, now=now)
    return row


def _ours(
    account: str, reference: str, remote: CollectedInvoice | None
) -> Invoice | None:
    """Return the invoice of ours that it is: by its mark, or by what we keep of it."""
    rows = Invoice.objects.filter(provider=PROVIDER, provider_account=account)
    if remote is None:
        return rows.filter(provider_reference=reference).first()
    try:
        public_id = UUID(remote.metadata.get(INVOICE_MARK, ""))
    except ValueError:
        return None
    return rows.filter(public_id=public_id).first()


def _note_gone(invoice: Invoice, *, read_at: dt.datetime, now: dt.datetime) -> None:
    """Note that an issued invoice is not there; a draft is drafted anew."""
    if invoice.number is None:
        return
    with atomic():
        row = held(invoice)
        standings.note(row, None, failure="", read_at=read_at, now=now)


def _details(
    client: StripeAccount, account: str, remote: CollectedInvoice
) -> dict[str, RemotePayment]:
    """Read how each payment that is new here was made."""
    return {
        payment.reference: client.payments.read(payment.intent)
        for payment in remote.payments
        if payment.status == "paid"
        and payment.intent
        and not is_linked(account=account, reference=payment.reference)
    }


def _failure(client: StripeAccount, remote: CollectedInvoice) -> str:
    """Return why the last attempt to be paid failed, while it is to be paid."""
    if remote.status != "open" or not remote.attempt_count:
        return ""
    waiting = [
        each.intent for each in remote.payments if each.status == "open" and each.intent
    ]
    return client.payments.read(waiting[0]).error if waiting else ""


def _follow_carried(invoice: Invoice, *, now: dt.datetime) -> None:
    """Learn how earlier invoices stand there, where nobody told us yet.

    What they carried is paid with this one, so it must be known first.
    """
    known = Standing.objects.values("invoice_id")
    earlier = recording.carried_before(invoice).exclude(pk__in=known)
    for each in earlier.exclude(provider_reference=""):
        follow_invoice(each.provider_account, each.provider_reference, now=now)
