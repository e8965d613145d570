"""Close a billing period into a draft invoice, once.

Closing waits until nothing of the period can be running any more and its usage is
proven complete, then charges everything posted of its days, and of earlier days that
came to be known too late for their own invoice. What comes later still is next period's
adjustment.

A period in which nothing is due closes without an invoice. So does one whose total
would be negative: all of it is carried into the next invoice, until there is more to
charge than to give back.

Failure: refusals (`Conflict`) say what is waited for; killed anywhere, it is run again.
Period, invoice, lines, mark and the credit drawn are one transaction; constraints allow
each only once.
"""

import datetime as dt
import uuid
from dataclasses import dataclass

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.audited import tell
from metering.billing.booking import earn_advance_fees
from metering.billing.composing.compose import (
    Charges,
    CreditTaken,
    charges_of,
    complete,
)
from metering.billing.drafting import write_period_draft
from metering.billing.gathering import gather
from metering.billing.lines import LineError
from metering.billing.marks import next_mark
from metering.billing.models import Invoice, Period
from metering.billing.periods import Span, due, span_of
from metering.billing.rebuilding import Settled, basis_of
from metering.billing.taxing import treatment_of
from metering.ledger.models import CreditAccount
from metering.ledger.services import draw_credit, post_days
from metering.usage.services import cover
from tenants.models import Tenant

_INSTANT = dt.timedelta.resolution


@dataclass(frozen=True, slots=True)
class Closed:
    """A closed period, and its invoice if it has one."""

    period: Period
    invoice: Invoice | None


def close_period(*, tenant: Tenant, date: dt.date, now: dt.datetime) -> Closed:
    """Close the period of a date; closing it again returns the same.

    Raises `NotFound` for a date without billing days, and `Conflict` while the period
    or one before it is still open to change.
    """
    cover(tenant=tenant, earliest=tenant.created_at, latest=now)
    span = span_of(tenant=tenant, date=date)
    closed = _closed(tenant, span.first_date)
    if closed is not None:
        return closed
    if now < span.closable_at:
        raise Conflict(
            f"The period {span.name} of tenant '{tenant.slug}' ends at "
            f"{_shown(span.ends_at)} and can be closed from {_shown(span.closable_at)}."
        )
    _require_order(tenant, span, now)
    proven_to = post_days(now=now, tenant_id=tenant.pk).proven_to
    with atomic():
        period, _ = Period.objects.get_or_create(
            tenant=tenant,
            first_date=span.first_date,
            defaults={
                "end_date": span.end_date,
                "starts_at": span.starts_at,
                "ends_at": span.ends_at,
            },
        )
        period = Period.objects.select_for_update().get(pk=period.pk)
        return close_locked(period, proven_to=proven_to, now=now)


def close_periods_through(
    *, tenant: Tenant, date: dt.date, now: dt.datetime
) -> list[Closed]:
    """Close what is due of a tenant up to the period of a date, which comes last."""
    cover(tenant=tenant, earliest=tenant.created_at, latest=now)
    first_date = span_of(tenant=tenant, date=date).first_date
    earlier = [first for _, first in due(now=now, tenant=tenant) if first < first_date]
    return [
        close_period(tenant=tenant, date=first, now=now)
        for first in [*earlier, first_date]
    ]


def close_locked(period: Period, *, proven_to: dt.datetime, now: dt.datetime) -> Closed:
    """Close a period whose row the caller's transaction holds.

    Raises `Conflict` while its usage is not proven complete, or makes no invoice.
    """
    if period.state == Period.State.CLOSED:
        return Closed(period, Invoice.objects.filter(period=period).first())
    tenant = period.tenant
    if proven_to < period.ends_at:
        raise Conflict(
            f"Usage is proven complete to {_shown(proven_to)} only: the period that "
            f"began on {period.first_date} of tenant '{tenant.slug}' waits."
        )
    try:
        invoice = _charge(period, tenant, now)
    except LineError as error:
        raise Conflict(f"Tenant '{tenant.slug}': {error}.") from None
    earn_advance_fees(period, now=now)
    period.state = Period.State.CLOSED
    period.closed_at = now
    period.save(update_fields=["state", "closed_at"])
    tell(
        period,
        action="close",
        before={"state": Period.State.OPEN},
        after={"state": period.state, "invoice_id": invoice and invoice.pk},
    )
    return Closed(period, invoice)


def _charge(period: Period, tenant: Tenant, now: dt.datetime) -> Invoice | None:
    """Draft what a period comes to, or nothing where there is nothing to ask for."""
    mark = next_mark(tenant_id=tenant.pk, days_to=period.end_date)
    bill = gather(tenant=tenant, mark=mark, first_date=period.first_date)
    charges = charges_of(bill)
    public_id = uuid.uuid4()
    if not charges.lines or charges.amount_minor < 0:
        _drawn(tenant, None, f"period {period.first_date}", period, now)
        return None
    settled = Settled(
        credit=_drawn(tenant, charges, str(public_id), period, now),
        # What changes as the period ends is not its own any more.
        treatment=treatment_of(tenant=tenant, at=period.ends_at - _INSTANT),
    )
    return write_period_draft(
        period=period,
        public_id=public_id,
        mark=mark,
        lines=complete(charges, credit=settled.credit, treatment=settled.treatment),
        basis=basis_of(bill, settled),
    )


def _drawn(
    tenant: Tenant,
    charges: Charges | None,
    source: str,
    period: Period,
    now: dt.datetime,
) -> tuple[CreditTaken, ...]:
    """Draw the credit that pays for a bill; credit that ran out by its end goes."""
    # Without an account it never had any credit, and leases need not be looked at.
    if not CreditAccount.objects.filter(tenant_id=tenant.pk).exists():
        return ()
    drawn = draw_credit(
        tenant=tenant,
        parts=charges.parts if charges else (),
        source=source,
        now=now,
        ends_at=period.ends_at,
    )
    return tuple(
        CreditTaken(each.grant_id, each.name, each.picos, each.model) for each in drawn
    )


def _closed(tenant: Tenant, first_date: dt.date) -> Closed | None:
    period = Period.objects.filter(
        tenant=tenant, first_date=first_date, state=Period.State.CLOSED
    ).first()
    if period is None:
        return None
    return Closed(period, Invoice.objects.filter(period=period).first())


def _require_order(tenant: Tenant, span: Span, now: dt.datetime) -> None:
    """Refuse to pass over an earlier period: its use would look like an adjustment."""
    for _, first_date in due(now=now, tenant=tenant):
        if first_date < span.first_date:
            raise Conflict(
                f"Close the period of tenant '{tenant.slug}' that began on "
                f"{first_date} first."
            )


def _shown(instant: dt.datetime) -> str:
    return f"{instant.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
