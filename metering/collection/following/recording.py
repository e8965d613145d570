"""Record what was paid of an invoice at Stripe: once each, under the invoice's lock.

A payment that paid for earlier invoices as well, which were too small to be charged
for, pays those too, the oldest first. What is more than all of them ask for becomes the
tenant's credit.

Failure: all of a payment is recorded, or nothing of it. Locks are taken from the latest
invoice to the oldest.
"""

import datetime as dt
from dataclasses import dataclass

from django.db.models import QuerySet

from metering.billing.models import Invoice, ProviderOperation
from metering.billing.providers.stripe.client.collected import CollectedInvoice
from metering.billing.providers.stripe.client.payments import RemotePayment
from metering.billing.providers.stripe.mapping import in_our_unit
from metering.collection.following import sharing
from metering.collection.following.linking import Source, is_linked, link_payment
from metering.collection.following.sharing import Share
from metering.collection.models import Standing
from metering.receivables.models import Payment, Refund
from metering.receivables.paying import record_payment
from metering.receivables.settling import facts_of, held

_CREDIT = Refund.Outlet.CREDIT
_PAID = "paid"
# The call by which we say so ourselves.
PAY_OUT_OF_BAND = "pay_out_of_band"


@dataclass(frozen=True, slots=True)
class Paying:
    """One thing that was paid there, and how it is called here."""

    source: Source
    reference: str
    method: str
    received_at: dt.datetime
    now: dt.datetime

    @property
    def name(self) -> str:
        """Return what our payment is called: its intent is what people look for."""
        return f"stripe {self.source.intent or self.source.charge or self.reference}"


def record_share(
    invoice: Invoice,
    share: Share,
    payment: RemotePayment | None,
    *,
    account: str,
    now: dt.datetime,
) -> None:
    """Record one payment of a held invoice, unless it is known."""
    remote = share.payment
    if is_linked(account=account, reference=remote.reference):
        return
    charge = payment.charge if payment else remote.charge
    paying = Paying(
        source=Source(account, remote.intent, charge),
        reference=remote.reference,
        method=payment.method if payment else Payment.Method.OTHER,
        received_at=min(remote.paid_at or now, now),
        now=now,
    )
    currency = invoice.currency
    _record(invoice, in_our_unit(share.own_minor, currency), paying, "")
    carried = in_our_unit(share.carried_minor, currency)
    beyond = _pay_carried(invoice, carried, paying)
    _record(invoice, beyond, paying, f" beyond {invoice.number}")


def record_out_of_band(
    invoice: Invoice, remote: CollectedInvoice, *, account: str, now: dt.datetime
) -> None:
    """Record what somebody told Stripe was paid elsewhere, if it is unpaid here.

    What we told Stripe is known here: should that money have left again since, nothing
    came in, for it or for others.
    """
    reference = f"{remote.reference} out of band"
    if is_linked(account=account, reference=reference) or _we_told(invoice):
        return
    paying = Paying(
        source=Source(account),
        reference=reference,
        method=Payment.Method.OTHER,
        received_at=min(remote.paid_at or now, now),
        now=now,
    )
    own, carried = (
        in_our_unit(part, invoice.currency) for part in sharing.out_of_band(remote)
    )
    _record(invoice, min(own, facts_of(invoice).open_minor), paying, "")
    _pay_carried(invoice, carried, paying)


def _we_told(invoice: Invoice) -> bool:
    """Tell whether we said at the provider that it was paid elsewhere."""
    return ProviderOperation.objects.filter(
        invoice=invoice, name=PAY_OUT_OF_BAND
    ).exists()


def carried_before(invoice: Invoice) -> QuerySet[Invoice]:
    """Return earlier invoices that its payer may have been asked for with it.

    One that was given up meanwhile comes in after all.
    """
    return Invoice.objects.filter(
        tenant_id=invoice.tenant_id,
        currency=invoice.currency,
        provider=invoice.provider,
        provider_account=invoice.provider_account,
        state__in=(Invoice.State.OPEN, Invoice.State.UNCOLLECTIBLE),
        pk__lt=invoice.pk,
    )


def _pay_carried(invoice: Invoice, amount_minor: int, paying: Paying) -> int:
    """Pay what earlier invoices had carried; return what none of them asks for."""
    left = amount_minor
    if not left:
        return 0
    settled = Standing.objects.filter(status=_PAID).values("invoice_id")
    candidates = carried_before(invoice).filter(pk__in=settled).order_by("-pk")
    locked = [held(earlier) for earlier in candidates]
    for earlier in reversed(locked):
        facts = facts_of(earlier)
        part = min(left, facts.open_minor + facts.written_off_minor)
        _record(earlier, part, paying, f" for {earlier.number}")
        left -= part
    return left


def _record(invoice: Invoice, amount_minor: int, paying: Paying, part: str) -> None:
    if amount_minor <= 0:
        return
    payment = record_payment(
        invoice=invoice,
        amount_minor=amount_minor,
        reference=_free(invoice, f"{paying.name}{part}"),
        method=paying.method,
        received_at=paying.received_at,
        excess=_CREDIT,
        now=paying.now,
    )
    link_payment(payment=payment, source=paying.source, reference=paying.reference)


def _free(invoice: Invoice, reference: str) -> str:
    """Return a reference that no other payment has.

    One intent may pay several invoices.
    """
    taken = Payment.objects.filter(tenant_id=invoice.tenant_id, reference=reference)
    return f"{reference} for {invoice.number}" if taken.exists() else reference
