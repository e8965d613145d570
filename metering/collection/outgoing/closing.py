"""Close invoices at the provider that are closed here: given up, or paid elsewhere.

Failure: see `telling`. An invoice that asks for what was carried from earlier ones too
is left open there: it would take that for paid as well.
"""

from typing import TYPE_CHECKING

from metering.billing import operations
from metering.billing.models import Invoice
from metering.billing.operations import Call
from metering.collection.models import Outgoing
from metering.collection.outgoing.steps import Skipped, Step

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount

# What is loaded below is asked for when there is something to close: without this the
# SDK stays out.
# ruff: noqa: PLC0415

PAY_OUT_OF_BAND = "pay_out_of_band"
_BEFORE = (Outgoing.Kind.REFUND, Outgoing.Kind.CREDIT_NOTE)


def write_off(client: "StripeAccount", step: Step) -> str:
    """Mark an invoice as uncollectible that is given up here."""
    from metering.collection.following.sharing import carried_out
    from metering.collection.outgoing.carrying import take_off

    step.require_told(*_BEFORE)
    invoice = Invoice.objects.get(pk=step.row.invoice_id)
    reference = invoice.provider_reference
    call = step.call("mark_uncollectible", str(invoice.public_id))
    if invoice.state != Invoice.State.UNCOLLECTIBLE:
        raise _skipped(call, step, f"The invoice is {invoice.state} by now.")
    found = step.invoice_at(client)
    if found.status == "paid":
        if carried := carried_out(found):
            return take_off(client, step, invoice, found, carried)
        raise _skipped(call, step, "It is paid there.")
    if found.status == "open":
        step.perform(
            call,
            lambda key: client.invoices.mark_uncollectible(reference, key=key),
            lambda answer: answer.reference,
        )
    # Where it is so already, an answer may have been lost.
    operations.adopt(call, reference=reference, now=step.now)
    return reference


def close_as_paid(client: "StripeAccount", step: Step) -> str:
    """Mark an invoice as paid whose money did not come through the provider."""
    from metering.collection.following.sharing import carried_in, carried_out
    from metering.collection.outgoing.carrying import take_off

    step.require_told(*_BEFORE)
    invoice = Invoice.objects.get(pk=step.row.invoice_id)
    reference = invoice.provider_reference
    call = step.call(PAY_OUT_OF_BAND, str(invoice.public_id))
    if invoice.state != Invoice.State.PAID:
        raise _skipped(call, step, f"The invoice is {invoice.state} by now.")
    found = step.invoice_at(client)
    if found.status == "paid":
        if carried := carried_out(found):
            return take_off(client, step, invoice, found, carried)
    else:
        if carried_in(found):
            raise _skipped(
                call, step, "It asks for what was carried from earlier invoices too."
            )
        step.perform(
            call,
            lambda key: client.invoices.pay_out_of_band(reference, key=key),
            lambda answer: answer.reference,
        )
    operations.adopt(call, reference=reference, now=step.now)
    return reference


def _skipped(call: Call, step: Step, why: str) -> Skipped:
    """Leave it: what may have been asked for without an answer is over as well."""
    operations.drop(call, now=step.now)
    return Skipped(why)
