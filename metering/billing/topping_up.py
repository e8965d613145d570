"""Draft the invoice of what tops up a wallet: one line, and the tax on it.

Credit is taxed when it is sold, so what it pays for later is not taxed again. Failure:
the same reference again returns the invoice that it made; with another amount it is a
`Conflict`.
"""

import datetime as dt
import uuid

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from metering.billing.composing.compose import complete, top_up_charges
from metering.billing.drafting import write_top_up_draft
from metering.billing.models import Invoice
from metering.billing.rebuilding import Settled, settled_document
from metering.taxes.services import rates_for
from tenants.models import Tenant

# Names a top-up's invoice by its tenant and reference, so that it is made once.
_TOP_UPS = uuid.UUID("6f1c1d2e-52a5-4d0e-9d0e-3f6a5f1f7c11")


def draft_top_up(
    *, tenant: Tenant, amount_minor: int, reference: str, now: dt.datetime
) -> Invoice:
    """Draft the invoice of a top-up before tax, once for each reference.

    `amount_minor` is in the minor unit of the tenant's currency. Raises
    `InvalidRequest` for nothing or less.
    """
    if amount_minor <= 0:
        raise InvalidRequest("Give an amount above zero.", param="amount")
    public_id = uuid.uuid5(_TOP_UPS, f"{tenant.pk}/{reference}")
    with atomic():
        # Two with one reference take turns.
        Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
        known = Invoice.objects.filter(public_id=public_id).first()
        if known is not None:
            if known.subtotal_minor != amount_minor:
                raise Conflict(
                    "There is an invoice of another amount for this top-up.",
                    param="amount",
                )
            return known
        settled = Settled(treatment=rates_for(tenant=tenant, at=now))
        charges = top_up_charges(
            amount_minor, reference=reference, currency=tenant.currency
        )
        return write_top_up_draft(
            tenant_id=tenant.pk,
            public_id=public_id,
            lines=complete(charges, credit=(), treatment=settled.treatment),
            basis=settled_document(settled) | {"top_up": reference},
        )
