"""Tell the provider what was decided here, each fact once, in an order that adds up.

Refunds go first, then the notes that name them, then what closes the invoice there. One
process at a time talks to the provider about a tenant.

Failure: what cannot be told holds up nothing of other invoices; it says why, and is
tried again. Owns: `Outgoing`.
"""

import datetime as dt

import structlog

from metering.billing.accounts import UnknownAccount
from metering.billing.driving import sole_driver
from metering.billing.operations import CallRefused, NotYet, OutcomeUnknown
from metering.billing.providers.stripe.customers import PROVIDER
from metering.collection.models import Outgoing
from metering.collection.outgoing import closing, notes, overpaid, refunds, tax
from metering.collection.outgoing.steps import Differs, Skipped, Step
from metering.collection.providing import client_of
from metering.topups.models import PROBLEM_CHARS_MAX

log = structlog.get_logger(__name__)

BATCH = 100
TRY_AGAIN = dt.timedelta(minutes=1)
# A person has to look first.
LOOK_AGAIN = dt.timedelta(hours=1)
Kind = Outgoing.Kind
State = Outgoing.State
_TELL = {
    Kind.REFUND: refunds.pay_back,
    Kind.CREDIT_NOTE: notes.issue,
    Kind.WRITE_OFF: closing.write_off,
    Kind.PAID_ELSEWHERE: closing.close_as_paid,
    Kind.OVERPAID: overpaid.bring,
    Kind.TAX_SALE: tax.record_sale,
    Kind.TAX_REVERSAL: tax.undo_sale,
}


def tell_all(*, now: dt.datetime) -> int:
    """Tell all that is due to be told; return how much was."""
    told = 0
    due = Outgoing.objects.filter(state=State.WAITING, try_at__lte=now)
    for row in due.select_related("invoice", "tenant").order_by("try_at", "pk")[:BATCH]:
        try:
            with sole_driver(provider=PROVIDER, tenant_id=row.tenant_id) as alone:
                told += alone and _tell(row, now)
        except Exception:
            # A bug met by one fact: the others are still told.
            log.exception("outgoing_not_told", outgoing=row.pk)
            _wait(row, "It could not be told: see the log.", now + LOOK_AGAIN)
    return told


def _tell(row: Outgoing, now: dt.datetime) -> bool:
    row.refresh_from_db()
    if row.state != State.WAITING:
        return False
    step = Step(row, now)
    try:
        reference = _TELL[Kind(row.kind)](client_of(row.account), step)
    except Skipped as why:
        _end(row, State.SKIPPED, now, problem=str(why)[:PROBLEM_CHARS_MAX])
    except (OutcomeUnknown, NotYet) as delay:
        _wait(row, str(delay), now + TRY_AGAIN)
    except (CallRefused, UnknownAccount, Differs) as refusal:
        _wait(row, f"The provider does not take it: {refusal}", now + LOOK_AGAIN)
    else:
        _end(row, State.TOLD, now, reference=reference)
        return True
    return False


def _end(row: Outgoing, state: State, now: dt.datetime, **said: str) -> None:
    Outgoing.objects.filter(pk=row.pk).update(
        **{"state": state, "ended_at": now, "problem": "", **said}
    )


def _wait(row: Outgoing, problem: str, until: dt.datetime) -> None:
    said = problem[:PROBLEM_CHARS_MAX]
    Outgoing.objects.filter(pk=row.pk).update(problem=said, try_at=until)
