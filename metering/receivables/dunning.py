"""Follow up unpaid invoices: remind, at last suspend, and let go at once when paid.

Steps are rows, taken once each by their constraint; a step is one transaction with the
suspension that it makes, and its mail is sent afterwards from the row. What is
held is not followed up, nor what another provider issued, which follows it up itself,
nor a top-up, which owes nothing. A payment that is charged back, and a hold that ends,
begin the schedule anew.

Failure: an invoice that cannot be followed up is logged and holds up no other; a scan
that is killed goes on where it was. Owns: `DunningStep`, suspensions for unpaid
invoices and their end.
"""

import datetime as dt

import structlog
from django.conf import settings
from django.db.models import Max, QuerySet

from kit.orm.atomic import atomic
from kit.orm.audited import tell
from metering.billing.models import Invoice
from metering.receivables.models import DunningStep, Hold, Refund
from metering.receivables.schedule import next_step
from metering.receivables.standing import State
from metering.usage.zones import ONE_DAY, date_at
from tenants.mails.addresses import bill_readers
from tenants.models import Tenant
from tenants.services import recover_tenant, suspend_tenant

log = structlog.get_logger(__name__)
Kind = DunningStep.Kind
Mail = DunningStep.Mail
# Whose invoices are followed up by us.
OURS = "offline"


def dun(*, now: dt.datetime) -> int:
    """Take every step that is due, each in a transaction; return how many were."""
    # A day more than the earliest zone is ahead; each is held to its own day below.
    before = now.astimezone(dt.UTC).date() + ONE_DAY
    due = followed().filter(due_date__lt=before).order_by("pk")
    steps = 0
    for invoice_id in list(due.values_list("pk", flat=True)):
        try:
            steps += follow_up(invoice_id=invoice_id, now=now) is not None
        except Exception:
            # A bug met by one invoice: the others are still followed up.
            log.exception("invoice_not_followed_up", invoice_id=invoice_id)
    return steps


def follow_up(*, invoice_id: int, now: dt.datetime) -> DunningStep | None:
    """Take the step of one invoice that is due now, if one is."""
    schedule = settings.DUNNING_DAYS
    with atomic():
        # Whoever pays or holds it waits, or made it no more one to be followed up.
        row = followed().select_for_update(of=("self",)).filter(pk=invoice_id).first()
        if row is None or row.due_date is None or not schedule:
            return None
        zone = row.tenant.zone
        cycle, since = _cycle_of(row)
        taken = DunningStep.objects.filter(invoice=row, cycle=cycle).exclude(
            kind=Kind.RECOVERY
        )
        position = next_step(
            schedule,
            since=since,
            taken=list(taken.order_by("position").values_list("taken_date", flat=True)),
            today=date_at(now, zone),
        )
        if position is None:
            return None
        kind = Kind.SUSPENSION if position == len(schedule) - 1 else Kind.REMINDER
        if kind == Kind.SUSPENSION:
            suspend_tenant(tenant=row.tenant, reason=Tenant.SuspendedFor.UNPAID)
        return _write(row, kind, cycle, position, now)


def recover(*, tenant_id: int, invoice: Invoice, now: dt.datetime) -> None:
    """Restore a tenant that was suspended for what is unpaid, once nothing is any more.

    Called in the transaction that settles or holds `invoice`. Whoever was suspended by
    people stays so.
    """
    tenant = Tenant.objects.get(pk=tenant_id)
    if tenant.suspended_for != Tenant.SuspendedFor.UNPAID:
        return
    suspending = DunningStep.objects.filter(tenant_id=tenant_id, kind=Kind.SUSPENSION)
    owing = followed().filter(pk__in=suspending.values("invoice"))
    if any(_suspends(each) for each in owing):
        return
    recover_tenant(tenant=tenant)
    before = DunningStep.objects.filter(invoice=invoice, kind=Kind.RECOVERY).count()
    _write(invoice, Kind.RECOVERY, _cycle_of(invoice)[0], before, now)


def followed() -> QuerySet[Invoice]:
    """Return the invoices that are followed up once they are overdue."""
    rows = Invoice.objects.filter(
        state=State.OPEN,
        kind=Invoice.Kind.PERIOD,
        provider=OURS,
        number__isnull=False,
    )
    return rows.exclude(
        pk__in=rows.filter(holds__isnull=False, holds__ended_at=None).values("pk")
    ).select_related("tenant")


def _suspends(invoice: Invoice) -> bool:
    cycle, _ = _cycle_of(invoice)
    steps = DunningStep.objects.filter(invoice=invoice, cycle=cycle)
    return steps.filter(kind=Kind.SUSPENSION).exists()


def _cycle_of(invoice: Invoice) -> tuple[int, dt.date]:
    """Return which time it is followed up, and the day from which that counts."""
    backs = Refund.objects.filter(
        payment__invoice=invoice, outlet=Refund.Outlet.CHARGE_BACK
    )
    ended = Hold.objects.filter(invoice=invoice, ended_at__isnull=False)
    began = (
        backs.aggregate(last=Max("refunded_at"))["last"],
        ended.aggregate(last=Max("ended_at"))["last"],
    )
    zone = invoice.tenant.zone
    since = invoice.due_date or date_at(invoice.created_at, zone)
    since = max(since, *(date_at(each, zone) for each in began if each), since)
    return backs.count() + ended.count(), since


def _write(
    invoice: Invoice, kind: Kind, cycle: int, position: int, now: dt.datetime
) -> DunningStep:
    has_address = bool(bill_readers(invoice.tenant))
    taken_off = invoice.paid_minor + invoice.credited_minor + invoice.written_off_minor
    step = DunningStep.objects.create(
        tenant_id=invoice.tenant_id,
        invoice=invoice,
        kind=kind,
        cycle=cycle,
        position=position,
        open_minor=invoice.amount_minor - taken_off,
        taken_at=now,
        taken_date=date_at(now, invoice.tenant.zone),
        mail=Mail.WAITING if has_address else Mail.NO_ADDRESS,
        mail_due_at=now if has_address else None,
    )
    tell(step, action="take", after={"kind": kind, "invoice": invoice.number})
    return step
