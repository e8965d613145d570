"""Close a billing period into a draft invoice, once.

Closing waits until nothing of the period can be running any more and its usage is
proven complete, then claims everything posted of its days, and of earlier days that
came to be known too late for their own invoice. What comes later still is next period's
adjustment.

A period without use closes without an invoice. So does one whose total would be
negative: its postings stay unclaimed and are carried into the next invoice, until there
is more to charge than to give back.

Failure: refusals (`Conflict`) say what is waited for; killed anywhere, it is run again.
Period, invoice, lines and claims are one transaction; constraints allow each only once.
"""

import datetime as dt
import uuid
from dataclasses import dataclass

import structlog
from django.conf import settings

from kit.errors import Conflict, PlatformError
from kit.orm.atomic import atomic
from kit.orm.audited import tell, values
from metering.billing.lines import LineError, Lines, make_lines
from metering.billing.models import Invoice, InvoiceLine, Period, Seller
from metering.billing.periods import Span, due, span_of
from metering.billing.postings import claim, unclaimed
from metering.ledger.services import DAY_GRACE, post_days
from metering.usage.services import cover
from tenants.models import Tenant

log = structlog.get_logger(__name__)


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
    if proven_to < span.ends_at:
        raise Conflict(
            f"Usage is proven complete to {_shown(proven_to)} only: the period "
            f"{span.name} of tenant '{tenant.slug}' waits."
        )
    return _close(tenant, span, now)


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


def close_due_periods(*, now: dt.datetime) -> list[Closed]:
    """Close every period that is due, of all tenants, the oldest first.

    A tenant that cannot be closed yet holds up no other one.
    """
    closed: list[Closed] = []
    waiting: set[int] = set()
    for tenant_id, first_date in due(now=now):
        if tenant_id in waiting:
            continue
        tenant = Tenant.objects.get(pk=tenant_id)
        try:
            closed.append(close_period(tenant=tenant, date=first_date, now=now))
        except PlatformError as error:
            waiting.add(tenant_id)
            log.warning("period_waits", tenant_id=tenant_id, reason=error.message)
        except Exception:
            # A bug met by one tenant: the others are still closed.
            waiting.add(tenant_id)
            log.exception("period_not_closed", tenant_id=tenant_id)
    return closed


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


def _close(tenant: Tenant, span: Span, now: dt.datetime) -> Closed:
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
        if period.state == Period.State.CLOSED:
            return Closed(period, Invoice.objects.filter(period=period).first())
        postings = unclaimed(tenant_id=tenant.pk, before=period.end_date)
        try:
            lines = make_lines(
                postings, currency=tenant.currency, first_date=period.first_date
            )
        except LineError as error:
            raise Conflict(f"Tenant '{tenant.slug}': {error}.") from None
        invoice = _draft(period, lines) if _invoiced(lines) else None
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


def _invoiced(lines: Lines) -> bool:
    return bool(lines.lines) and lines.amount_minor >= 0


def _draft(period: Period, lines: Lines) -> Invoice:
    seller, is_new = Seller.objects.get_or_create(name=settings.SELLER_NAME)
    if is_new:
        tell(seller, action="create", after=values(seller))
    invoice = Invoice.objects.create(
        public_id=uuid.uuid4(),
        tenant_id=period.tenant_id,
        period=period,
        seller=seller,
        provider=settings.BILLING_PROVIDER,
        currency=lines.currency,
        exact_picos=lines.exact_picos,
        amount_minor=lines.amount_minor,
        subtotal_minor=lines.amount_minor,
        grace_s=DAY_GRACE // dt.timedelta(seconds=1),
        lines_sha256=lines.sha256,
    )
    rows = InvoiceLine.objects.bulk_create(
        InvoiceLine(
            tenant_id=period.tenant_id,
            invoice=invoice,
            position=position,
            kind=line.kind,
            description=line.description,
            model=line.price.model,
            price_id=line.price.id,
            token_class=line.token_class,
            quantity=line.quantity,
            unit_picos=line.unit_picos,
            exact_picos=line.exact_picos,
            amount_minor=line.amount_minor,
        )
        for position, line in enumerate(lines.lines, 1)
    )
    claim(tenant_id=period.tenant_id, lines=zip(rows, lines.lines, strict=True))
    return invoice


def _shown(instant: dt.datetime) -> str:
    return f"{instant.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
