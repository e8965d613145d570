"""Hold an invoice: while it is disputed or paused, nobody is followed up for it.

Failure: holding or releasing twice changes nothing. Owns: holds.
"""

import datetime as dt

from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.saving import change, create
from metering.billing.models import Invoice
from metering.receivables.dunning import recover
from metering.receivables.models import Hold
from metering.receivables.settling import held
from metering.receivables.standing import State


def hold_invoice(*, invoice: Invoice, kind: str, reason: str, now: dt.datetime) -> Hold:
    """Hold an open invoice; one that is held already stays held as it is.

    Raises `Conflict` for an invoice of which nothing is open.
    """
    if kind not in Hold.Kind.values:
        raise InvalidRequest(
            f"Choose one of: {', '.join(Hold.Kind.values)}.", param="kind"
        )
    with atomic():
        row = held(invoice)
        known = open_hold(row)
        if known is not None:
            return known
        if row.state != State.OPEN:
            raise Conflict(f"Invoice {row.number} is {row.state}: nothing is open.")
        hold = Hold(
            tenant_id=row.tenant_id,
            invoice=row,
            kind=kind,
            reason=reason,
            started_at=now,
        )
        create(hold, action="hold")
        recover(tenant_id=row.tenant_id, invoice=row, now=now)
    return hold


def release_invoice(*, invoice: Invoice, now: dt.datetime) -> Invoice:
    """End the hold of an invoice, if it has one: it is followed up again."""
    with atomic():
        row = held(invoice)
        known = open_hold(row)
        if known is not None:
            change(known, {"ended_at": now}, action="release")
    return row


def open_hold(invoice: Invoice) -> Hold | None:
    """Return what holds an invoice now."""
    return Hold.objects.filter(invoice=invoice, ended_at=None).first()
