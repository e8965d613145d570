"""Follow a refund at Stripe: what it took back, and whether it came there after all.

A refund that we asked for carries its mark, and was recorded before it was asked for.

Failure: what Stripe does not answer, or a payment that is not recorded yet, is tried
again by whoever asked. Owns: `ProviderRefund`.
"""

import datetime as dt

from kit.orm.atomic import atomic
from metering.billing.providers.stripe.client import client_for
from metering.billing.providers.stripe.client.refunds import RemoteRefund
from metering.billing.providers.stripe.mapping import REFUND_MARK, in_our_unit
from metering.collection.following import going_back
from metering.collection.following.finding import payments_behind
from metering.collection.following.going_back import Leaving
from metering.collection.following.linking import Source
from metering.collection.models import ProviderRefund
from metering.collection.models.following import TEXT_CHARS_MAX
from metering.receivables.models import Payment, Refund
from metering.usage.selectors import database_now

_CAME = "succeeded"
_DID_NOT_COME = frozenset({"failed", "canceled"})


def follow_refund(account: str, reference: str, *, now: dt.datetime) -> bool:
    """Read a refund and record what became of it; False when it is none of ours.

    Must run outside a transaction.
    """
    read_at = database_now()
    remote = client_for(account).refunds.read(reference)
    source = Source(account, remote.intent, remote.charge)
    payments = payments_behind(source, now=now)
    if not payments:
        return False
    with atomic():
        going_back.hold_all(payments)
        if not _note(account, remote, payments[0], read_at=read_at):
            return True
        name = f"stripe {reference}"
        asked = _asked_by_us(remote, payments)
        if remote.status == _CAME and not asked:
            leaving = Leaving(
                in_our_unit(remote.amount_minor, remote.currency),
                Refund.Outlet.PAID_BACK,
                "Paid back at Stripe.",
                name,
            )
            going_back.take_back(payments, leaving, now=now)
            going_back.unsell(payments, leaving, now=now)
        if remote.status in _DID_NOT_COME:
            left = asked or going_back.recorded(payments, name)
            going_back.bring_again(left, reference=f"{name} failed", now=now)
    return True


def _note(
    account: str, remote: RemoteRefund, payment: Payment, *, read_at: dt.datetime
) -> bool:
    """Note how it stands; False when that is known from a later reading."""
    known = ProviderRefund.objects.filter(
        account=account, reference=remote.reference
    ).first()
    if known is not None and known.read_at > read_at:
        return False
    ProviderRefund.objects.update_or_create(
        account=account,
        reference=remote.reference,
        defaults={
            "tenant_id": payment.tenant_id,
            "invoice": payment.invoice,
            "amount_minor": in_our_unit(remote.amount_minor, remote.currency),
            "status": remote.status,
            "failure": remote.failure[:TEXT_CHARS_MAX],
            "read_at": read_at,
        },
    )
    return True


def _asked_by_us(remote: RemoteRefund, payments: list[Payment]) -> list[Refund]:
    """Return our refund that it carries out, if we asked for it."""
    mark = remote.metadata.get(REFUND_MARK, "")
    if not mark.isascii() or not mark.isdecimal():
        return []
    return list(
        Refund.objects.filter(pk=int(mark), payment__in=payments).select_related(
            "payment__invoice"
        )
    )
