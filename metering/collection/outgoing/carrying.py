"""Take what a closed invoice carried off what its customer owes for later.

An invoice too small to be charged for is paid as Stripe has it, and its amount stands
on the customer's balance. Given up or paid elsewhere here, it must not be asked for
with the next one.

Failure: see `telling`. What a later invoice asks for already is left: its payment
brings the earlier one back, or is the tenant's credit.
"""

from typing import TYPE_CHECKING

from metering.billing import operations
from metering.billing.models import Invoice
from metering.billing.providers.stripe.client.balances import RemoteMove
from metering.billing.providers.stripe.mapping import INVOICE_MARK, in_stripes_unit
from metering.collection.outgoing.steps import Skipped, Step

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount
    from metering.billing.providers.stripe.client.collected import CollectedInvoice


def take_off(
    client: "StripeAccount",
    step: Step,
    invoice: Invoice,
    found: "CollectedInvoice",
    carried_minor: int,
) -> str:
    """Take what is carried of an invoice off its customer's balance, once."""
    mark = str(invoice.public_id)
    call = step.call("take_off_balance", mark)
    if operations.attempted(call):
        for move in client.balances.moves(found.customer):
            if move.metadata.get(INVOICE_MARK) == mark:
                operations.adopt(call, reference=move.reference, now=step.now)
                return move.reference
    kept = invoice.amount_minor - invoice.credited_minor
    left = min(carried_minor, in_stripes_unit(kept, invoice.currency))
    amount = min(left, client.balances.of_customer(found.customer))
    if amount <= 0:
        operations.drop(call, now=step.now)
        raise Skipped("A later invoice asks for it already.")
    move = RemoteMove("", -amount, found.currency, {INVOICE_MARK: mark})
    return step.perform(
        call,
        lambda key: client.balances.move(found.customer, move, key=key),
        lambda answer: answer,
    )
