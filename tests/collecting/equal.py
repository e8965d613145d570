"""Both sides of what was collected, read past the product, and where they differ.

Ours comes from our tables, theirs from what the stand-in holds. Each difference is a
line of text. Failure: none of its own.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from kit.money import picos_from_minor
from metering.billing.models import Invoice, ProviderOperation, Seller
from metering.billing.outbox import undone
from metering.billing.providers.stripe.mapping import LINE_MARK
from metering.collection.models import Purchase
from metering.inbox.models import WebhookEvent
from metering.ledger.models import CreditGrant
from metering.receivables.models import Payment, Refund
from metering.reconciliation.models import Difference
from metering.reconciliation.services import verify_ledger
from tests.collecting import decided, metered
from tests.collecting.decided import REFUND_MARK
from tests.collecting.place import MARK, Place, Stripe
from tests.factories.reconciliation import settle_counts

PURCHASE = "tollgate_purchase"
Json = dict[str, Any]


def differences(place: Place, stripe: Stripe) -> list[str]:
    """Return how the two sides differ, and what of ours is left undone."""
    with stripe.standin.engine.opened(stripe.account):
        return [
            *_invoices(stripe),
            *_payments(stripe),
            *_sent_back(stripe),
            *_bought(stripe),
            *decided.differences(stripe),
            *metered.differences(stripe),
            *undone_here(),
            *_books(place),
        ]


def _invoices(stripe: Stripe) -> Iterator[str]:
    """Each of ours is there once, under our number, with our lines, as far along."""
    theirs: defaultdict[str, list[Json]] = defaultdict(list)
    for remote in stripe.account.invoices.values():
        theirs[remote["metadata"].get(MARK, "nobody's")].append(remote)
    rows = Invoice.objects.filter(provider="stripe").prefetch_related("lines")
    for invoice in rows.order_by("pk"):
        found = theirs.pop(str(invoice.public_id), [])
        name = invoice.number or f"draft {invoice.public_id}"
        if len(found) != 1 or not invoice.number:
            yield f"{name} is {len(found)} times at Stripe: {invoice.problem}"
            continue
        [remote] = found
        lines = {
            line["metadata"][LINE_MARK]: line["amount"]
            for line in stripe.account.lines[remote["id"]]
        }
        ours = {str(line.position): line.amount_minor for line in invoice.lines.all()}
        told = {
            "id": (invoice.provider_reference, remote["id"]),
            "number": (invoice.number, remote["number"]),
            "total": (invoice.amount_minor, remote["total"]),
            "page": (invoice.hosted_url, remote["hosted_invoice_url"]),
            "lines": (ours, lines),
        }
        for what, (here, there) in told.items():
            if here != there:
                yield f"{name}: {what} is {here} here and {there} there"
    numbered = Invoice.objects.exclude(number=None).count()
    if numbered != sum(Seller.objects.values_list("last_number", flat=True)):
        yield f"{numbered} invoices have numbers, and there are gaps"
    for mark, found in theirs.items():
        yield f"{len(found)} invoices at Stripe are of {mark}"


def _payments(stripe: Stripe) -> Iterator[str]:
    """Each payment that succeeded there is recorded once, with all that came in."""
    ours: defaultdict[str, int] = defaultdict(int)
    for payment in Payment.objects.filter(reference__startswith="stripe pi_"):
        ours[payment.reference.split()[1]] += payment.amount_minor
    theirs = {
        reference: intent["amount_received"]
        for reference, intent in stripe.account.rows["payment_intent"].items()
        if intent["status"] == "succeeded"
    }
    yield from _unlike("payment", ours, theirs)


def _sent_back(stripe: Stripe) -> Iterator[str]:
    """Each refund made there, and each move of a dispute, is recorded once."""
    refunded: defaultdict[str, int] = defaultdict(int)
    for refund in Refund.objects.filter(reference__startswith="stripe "):
        refunded[refund.reference.split()[1]] -= refund.amount_minor
    for payment in Payment.objects.filter(reference__startswith="stripe txn_"):
        refunded[payment.reference.split()[1]] += payment.amount_minor
    rows = stripe.account.rows
    theirs = {
        reference: -refund["amount"]
        for reference, refund in rows["refund"].items()
        if refund["status"] == "succeeded" and REFUND_MARK not in refund["metadata"]
    }
    for dispute in rows["dispute"].values():
        moves = dispute["balance_transactions"]
        theirs |= {move["id"]: move["amount"] for move in moves}
    yield from _unlike("refund", refunded, theirs)


def _bought(stripe: Stripe) -> Iterator[str]:
    """Each payment for credit granted what was bought, once."""
    rows = Purchase.objects.filter(state=Purchase.State.PAID).select_related("top_up")
    ours = {str(row.public_id): row.total_minor for row in rows}
    theirs: defaultdict[str, int] = defaultdict(int)
    for intent in stripe.account.rows["payment_intent"].values():
        if intent["status"] == "succeeded" and PURCHASE in intent["metadata"]:
            theirs[intent["metadata"][PURCHASE]] += intent["amount_received"]
    yield from _unlike("purchase", ours, theirs)
    # What is kept of an invoice's payment is credit too, and was not bought.
    grants = CreditGrant.objects.filter(source=CreditGrant.Source.TOP_UP).exclude(
        reference__startswith="refund "
    )
    granted = Counter((row.tenant_id, int(row.amount_picos)) for row in grants)
    paid_for = Counter(
        (row.tenant_id, picos_from_minor(row.subtotal_minor, row.currency))
        for row in rows
    )
    if granted != paid_for:
        yield f"granted is {granted - paid_for} more and {paid_for - granted} less"


def _unlike(what: str, ours: dict[str, int], theirs: dict[str, int]) -> Iterator[str]:
    for reference in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(reference), theirs.get(reference)
        if here != there:
            yield f"{what} {reference} is {here} here and {there} there"


def undone_here() -> Iterator[str]:
    """Nothing waits, for us or for people."""
    for call in undone():
        yield f"undone: {call} is {call.state}: {call.error}"
    doubts = ProviderOperation.objects.filter(state__in=("intent", "unknown"))
    if doubts.exists():
        yield f"{doubts.count()} calls are in doubt"
    waits = (WebhookEvent.State.WAITING, WebhookEvent.State.PARKED)
    for event in WebhookEvent.objects.filter(state__in=waits):
        yield f"{event.type} is {event.state}: {event.problem}"


def _books(place: Place) -> Iterator[str]:
    """Every check of the ledger holds."""
    settle_counts()
    run = verify_ledger(now=place.now)
    for each in Difference.objects.filter(run=run):
        yield (
            f"{each.check_name} of {each.subject}: {each.expected}, not {each.found}"
        )
