"""Draft the invoice of what tops up a wallet: one line, and the tax on it.

Credit is taxed when it is sold, so what it pays for later is not taxed again. Failure:
the same reference again returns the invoice that it made; with another amount it is a
`Conflict`.
"""

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from kit.errors import Conflict, InvalidRequest
from kit.json_values import JsonObject
from kit.orm.atomic import atomic
from metering.billing.drafting import write_top_up_draft
from metering.billing.lines import Lines
from metering.billing.models import Invoice
from metering.billing.rebuilding import Settled, settled_document, top_up_lines
from metering.billing.taxing import (
    AUTOMATIC,
    TAX_SOURCE,
    ComputedTax,
    computed_document,
)
from metering.taxes.rating import Treatment
from metering.taxes.services import rates_for
from tenants.models import Tenant

# Names a top-up's invoice by its tenant and reference, so that it is made once.
_TOP_UPS = uuid.UUID("6f1c1d2e-52a5-4d0e-9d0e-3f6a5f1f7c11")


@dataclass(frozen=True, slots=True)
class TopUpQuote:
    """What a top-up costs from now on, and what that is made from.

    `basis` is all that its lines are made from again: nothing that changes later
    changes what it costs.
    """

    lines: Lines
    basis: JsonObject


def quote_top_up(
    *, tenant: Tenant, amount_minor: int, reference: str, now: dt.datetime
) -> TopUpQuote:
    """Say what a top-up of this amount before tax costs now.

    `amount_minor` is in the minor unit of the tenant's currency. Raises
    `InvalidRequest` for nothing or less.
    """
    if amount_minor <= 0:
        raise InvalidRequest("Give an amount above zero.", param="amount")
    settled = Settled(treatment=rates_for(tenant=tenant, at=now))
    basis = settled_document(settled) | {"top_up": reference}
    lines = top_up_lines(amount_minor, basis=basis, currency=tenant.currency)
    return TopUpQuote(lines, basis)


def quote_computed(
    *,
    amount_minor: int,
    currency: str,
    reference: str,
    taxes: Sequence[ComputedTax],
    source: JsonObject,
) -> TopUpQuote:
    """Say what a top-up costs with tax that a provider computed on it.

    `source` names, for later, what the provider calls its computation. Raises
    `InvalidRequest` for nothing or less.
    """
    if amount_minor <= 0:
        raise InvalidRequest("Give an amount above zero.", param="amount")
    settled = Settled(treatment=Treatment(AUTOMATIC, (), ""))
    basis = settled_document(settled) | computed_document(taxes)
    basis |= {"top_up": reference, TAX_SOURCE: source}
    lines = top_up_lines(amount_minor, basis=basis, currency=currency)
    return TopUpQuote(lines, basis)


def draft_top_up(
    *, tenant: Tenant, amount_minor: int, reference: str, now: dt.datetime
) -> Invoice:
    """Draft the invoice of a top-up before tax, once for each reference.

    Raises `InvalidRequest` for nothing or less, and `Conflict` where the reference has
    an invoice of another amount.
    """
    with atomic():
        known = _known(tenant, reference, amount_minor)
        if known is not None:
            return known
        quote = quote_top_up(
            tenant=tenant, amount_minor=amount_minor, reference=reference, now=now
        )
        return draft_quoted(tenant=tenant, quote=quote)


def draft_quoted(*, tenant: Tenant, quote: TopUpQuote, provider: str = "") -> Invoice:
    """Draft the invoice of a top-up as it was quoted, once for each reference.

    The provider is that of the settings, unless one is named. Raises `Conflict` where
    the reference has an invoice of another amount.
    """
    reference = str(quote.basis["top_up"])
    with atomic():
        known = _known(tenant, reference, quote.lines.subtotal_minor)
        if known is not None:
            return known
        return write_top_up_draft(
            tenant_id=tenant.pk,
            public_id=_public_id(tenant, reference),
            lines=quote.lines,
            basis=quote.basis,
            provider=provider,
        )


def _known(tenant: Tenant, reference: str, amount_minor: int) -> Invoice | None:
    """Return the invoice that a reference has; two with one reference take turns."""
    Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
    public_id = _public_id(tenant, reference)
    known = Invoice.objects.filter(public_id=public_id).first()
    if known is not None and known.subtotal_minor != amount_minor:
        raise Conflict(
            "There is an invoice of another amount for this top-up.", param="amount"
        )
    return known


def _public_id(tenant: Tenant, reference: str) -> uuid.UUID:
    return uuid.uuid5(_TOP_UPS, f"{tenant.pk}/{reference}")
