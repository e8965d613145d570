"""Delete the drafts at Stripe of invoices that are issued elsewhere by now.

Failure: what Stripe refuses, such as to delete what somebody finalised there, is tried
again like every call, and is parked in the end: people void it there.
"""

import datetime as dt

import structlog

from metering.billing import operations
from metering.billing.accounts import UnknownAccount
from metering.billing.driving import sole_driver
from metering.billing.models import ProviderOperation
from metering.billing.operations import Call, CallRefused, NotYet, OutcomeUnknown
from metering.billing.outbox import undone
from metering.billing.providers.stripe.customers import PROVIDER
from metering.billing.reassigning import DELETE_DRAFT

log = structlog.get_logger(__name__)

BATCH = 100


def delete_left_drafts(*, now: dt.datetime) -> int:
    """Delete what is still to be deleted; return how many are gone.

    Must run outside a transaction.
    """
    rows = undone().filter(provider=PROVIDER, name=DELETE_DRAFT)
    waiting = rows.exclude(state=ProviderOperation.State.PARKED)
    return sum(
        _delete(row, now=now)
        for row in waiting.select_related("invoice").order_by("pk")[:BATCH]
    )


def _delete(row: ProviderOperation, *, now: dt.datetime) -> bool:
    # Without a draft to delete the SDK stays out of the process.
    from metering.billing.providers.stripe.client import client_for  # noqa: PLC0415

    call = Call(
        PROVIDER, row.account, row.name, row.subject, row.tenant_id, row.invoice
    )
    with sole_driver(provider=PROVIDER, tenant_id=row.tenant_id) as alone:
        if not alone:
            return False
        try:
            invoices = client_for(row.account).invoices
            if invoices.read(row.subject) is None:
                operations.adopt(call, reference=row.subject, now=now)
            else:
                operations.perform(
                    call,
                    send=lambda _: invoices.delete(row.subject),
                    record=lambda _: row.subject,
                    now=now,
                )
        except (CallRefused, NotYet, OutcomeUnknown, UnknownAccount) as error:
            log.info("draft_not_deleted", draft=row.subject, why=str(error))
            return False
    return True
