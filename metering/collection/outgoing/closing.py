"""Close invoices at the provider that are closed here: given up, or paid elsewhere.

Failure: see `telling`. An invoice that asks for what was carried from earlier ones too
is left open there: it would take that for paid as well.
"""

from typing import TYPE_CHECKING

from metering.billing.models import Invoice
from metering.collection.models import Outgoing
from metering.collection.outgoing.steps import Skipped, Step

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount

PAY_OUT_OF_BAND = "pay_out_of_band"
_BEFORE = (Outgoing.Kind.REFUND, Outgoing.Kind.CREDIT_NOTE)


def write_off(client: "StripeAccount", step: Step) -> str:
    """Mark an invoice as uncollectible that is given up here."""
    step.require_told(*_BEFORE)
    invoice = Invoice.objects.get(pk=step.row.invoice_id)
    reference = invoice.provider_reference
    if invoice.state != Invoice.State.UNCOLLECTIBLE:
        raise Skipped(f"The invoice is {invoice.state} by now.")
    found = step.invoice_at(client)
    if found.status == "paid":
        raise Skipped("It is paid there.")
    if found.status == "open":
        step.perform(
            step.call("mark_uncollectible", str(invoice.public_id)),
            lambda key: client.invoices.mark_uncollectible(reference, key=key),
            lambda answer: answer.reference,
        )
    return reference


def close_as_paid(client: "StripeAccount", step: Step) -> str:
    """Mark an invoice as paid whose money did not come through the provider."""
    # Asked for when there is something to close: without this the SDK stays out.
    from metering.collection.following.sharing import carried_in  # noqa: PLC0415

    step.require_told(*_BEFORE)
    invoice = Invoice.objects.get(pk=step.row.invoice_id)
    reference = invoice.provider_reference
    if invoice.state != Invoice.State.PAID:
        raise Skipped(f"The invoice is {invoice.state} by now.")
    found = step.invoice_at(client)
    if found.status == "paid":
        return reference
    if carried_in(found):
        raise Skipped("It asks for what was carried from earlier invoices as well.")
    step.perform(
        step.call(PAY_OUT_OF_BAND, str(invoice.public_id)),
        lambda key: client.invoices.pay_out_of_band(reference, key=key),
        lambda answer: answer.reference,
    )
    return reference
