"""Pay money back through the provider that it came by.

The refund is marked with ours before its news can come, so that it is never taken for
one that was made there. Failure: see `telling`.
"""

from typing import TYPE_CHECKING, Any

from metering.billing import operations
from metering.billing.providers.stripe.mapping import REFUND_MARK, in_stripes_unit
from metering.collection.models import ProviderPayment
from metering.collection.outgoing.steps import Skipped, Step
from metering.receivables.models import Refund

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount


def pay_back(client: "StripeAccount", step: Step) -> str:
    """Ask for a refund, unless it is there; return its reference."""
    refund = Refund.objects.select_related("payment__invoice").get(pk=step.row.fact_id)
    link = ProviderPayment.objects.filter(payment=refund.payment).first()
    if link is None or not (link.intent or link.charge):
        raise Skipped("Its payment is none of the provider's.")
    mark = str(refund.pk)
    paid = {"payment_intent": link.intent} if link.intent else {"charge": link.charge}
    call = step.call("refund", f"{link.intent or link.charge}/{mark}")
    if operations.attempted(call):
        for found in client.refunds.of_payment(paid):
            if found.metadata.get(REFUND_MARK) == mark:
                operations.adopt(call, reference=found.reference, now=step.now)
                return found.reference
    params: dict[str, Any] = {
        **paid,
        "amount": in_stripes_unit(refund.amount_minor, refund.payment.invoice.currency),
        "metadata": {REFUND_MARK: mark},
    }
    made = step.perform(
        call,
        lambda key: client.refunds.create(params, key=key),
        lambda answer: answer.reference,
    )
    return made.reference
