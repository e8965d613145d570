"""Quote credit with the tax that the provider computes on it.

A calculation changes nothing there; what it says is frozen in the transaction that
notes its answer. That the sale took place is told once it did (`outgoing.tax`), and the
calculation is good for it for 90 days.

Failure: a buyer whose place is not known is a `Conflict` that says what to give; an
answer that does not add up is one, too. Owns: nothing.
"""

import datetime as dt
from typing import TYPE_CHECKING

from kit.errors import Conflict
from metering.billing import operations
from metering.billing.operations import CallRefused
from metering.billing.providers.stripe.mapping import in_our_unit, in_stripes_unit
from metering.billing.services import TopUpQuote, quote_computed
from metering.billing.taxing import ComputedTax
from metering.collection.buying.quoting import Payer, freeze
from metering.collection.buying.starting import call_for
from metering.collection.models import Purchase

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount
    from metering.billing.providers.stripe.client.taxes import RemoteCalculation


def freeze_calculated(
    client: "StripeAccount", purchase: Purchase, *, payer: Payer, now: dt.datetime
) -> Purchase:
    """Have the tax on a purchase computed, and freeze what it costs with it."""
    # Without a call, the SDK stays out of the process.
    from metering.billing.providers.stripe.computed import (  # noqa: PLC0415
        LOCATION_INVALID,
        not_located,
    )

    frozen: list[Purchase] = []

    def keep(calculation: "RemoteCalculation") -> str:
        quote = _quote(purchase, calculation)
        frozen.append(freeze(purchase=purchase, quote=quote, payer=payer, now=now))
        return calculation.reference

    params: dict[str, object] = {
        "currency": purchase.currency.lower(),
        "customer": payer.customer,
        "line_items": [
            {
                "amount": in_stripes_unit(
                    purchase.top_up.amount_minor, purchase.currency
                ),
                "reference": purchase.top_up.reference,
                "tax_behavior": "exclusive",
            }
        ],
    }
    try:
        operations.perform(
            call_for(purchase, "tax_calculation"),
            send=lambda key: client.taxes.calculate(params, key=key),
            record=keep,
            now=now,
        )
    except CallRefused as refusal:
        if refusal.code != LOCATION_INVALID:
            raise
        raise Conflict(str(not_located(purchase.tenant_id))) from refusal
    return frozen[0]


def _quote(purchase: Purchase, found: "RemoteCalculation") -> TopUpQuote:
    from metering.billing.providers.stripe.computed import BY, SILENT  # noqa: PLC0415

    currency = purchase.currency
    quote = quote_computed(
        amount_minor=purchase.top_up.amount_minor,
        currency=currency,
        reference=purchase.top_up.reference,
        taxes=[
            ComputedTax(
                rate=f"{tax.jurisdiction}/{tax.name}/{tax.percent}",
                name=tax.name,
                percent=tax.percent,
                jurisdiction=tax.jurisdiction,
                reason=tax.reason,
                taxable_minor=in_our_unit(tax.taxable_minor, currency),
                amount_minor=in_our_unit(tax.amount_minor, currency),
                by=BY,
            )
            for tax in found.taxes
            if tax.amount_minor or tax.reason not in SILENT
        ],
        source={"account": purchase.account, "calculation": found.reference},
    )
    total = in_our_unit(found.total_minor, currency)
    if total != quote.lines.amount_minor or found.currency.upper() != currency:
        raise Conflict(
            f"{BY} computed a tax that does not add up: {total} {found.currency},"
            f" ours is {quote.lines.amount_minor} {currency}."
        )
    return quote
