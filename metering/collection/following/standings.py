"""Keep how invoices stand at Stripe, as they were last read there.

Failure: what was read earlier never overwrites what was read later. Owns: `Standing`.
"""

import datetime as dt

from django.db.models import Sum

from metering.billing.models import Invoice
from metering.billing.providers.stripe.client.collected import CollectedInvoice
from metering.billing.providers.stripe.mapping import in_our_unit
from metering.collection.following import differing
from metering.collection.following.differing import Here
from metering.collection.models import Standing
from metering.collection.models.following import TEXT_CHARS_MAX
from metering.collection.outgoing.overpaid import brought_minor
from metering.receivables.models import Refund
from metering.receivables.settling import facts_of

GONE = "gone"


def here(invoice: Invoice) -> Here:
    """Return how an issued invoice stands here."""
    facts = facts_of(invoice)
    back = (
        Refund.objects.filter(payment__invoice=invoice)
        .exclude(outlet=Refund.Outlet.CREDIT)
        .aggregate(total=Sum("amount_minor"))["total"]
    )
    return Here(
        number=invoice.number or "",
        currency=invoice.currency,
        state=invoice.state,
        total_minor=invoice.amount_minor,
        open_minor=facts.open_minor,
        back_minor=int(back or 0),
        brought_minor=brought_minor(invoice),
    )


def open_here(invoice: Invoice) -> Here:
    """Return how an open invoice stands here, by its own row alone."""
    taken = invoice.paid_minor + invoice.credited_minor + invoice.written_off_minor
    return Here(
        number=invoice.number or "",
        currency=invoice.currency,
        state=invoice.state,
        total_minor=invoice.amount_minor,
        open_minor=invoice.amount_minor - taken,
        back_minor=0,
    )


def note(
    invoice: Invoice,
    remote: CollectedInvoice | None,
    *,
    failure: str,
    read_at: dt.datetime,
    now: dt.datetime,
) -> None:
    """Note how a held invoice stands there; without a remote one, that it is gone."""
    known = Standing.objects.filter(invoice=invoice).first()
    if known is not None and known.read_at > read_at:
        return
    ours = here(invoice)
    text = differing.difference(ours, remote) if remote else differing.gone(ours)
    since = known.differs_since if known is not None else None
    Standing.objects.update_or_create(
        invoice=invoice,
        defaults={
            "tenant_id": invoice.tenant_id,
            "account": invoice.provider_account,
            "reference": invoice.provider_reference,
            "difference": text[:TEXT_CHARS_MAX],
            "differs_since": (since or now) if text else None,
            "read_at": read_at,
            "failed_at": _failed_at(known, remote, failure, read_at),
            **_shown(remote, invoice.currency, failure),
        },
    )


def _failed_at(
    known: Standing | None,
    remote: CollectedInvoice | None,
    failure: str,
    read_at: dt.datetime,
) -> dt.datetime | None:
    """Return when this attempt was first seen to have failed, None where none did."""
    if remote is None or not failure:
        return None
    if known is None or not known.failure:
        return read_at
    is_same = known.attempt_count == remote.attempt_count
    return known.failed_at if is_same else read_at


def _shown(
    remote: CollectedInvoice | None, currency: str, failure: str
) -> dict[str, object]:
    if remote is None:
        return {"status": GONE, "remaining_minor": 0, "failure": ""}
    return {
        "status": remote.status,
        "remaining_minor": in_our_unit(remote.remaining_minor, currency),
        "attempt_count": remote.attempt_count,
        "next_attempt_at": remote.next_attempt_at,
        "failure": failure[:TEXT_CHARS_MAX],
    }
