"""The steps of a top-up that is paid before it is invoiced.

Whoever collects the money calls these, under a lock on the top-up that it holds until
its transaction ends. Nothing is owed for a top-up that is never paid: it fails or is
cancelled, and leaves no invoice. Paid after all, its credit is due all the same.

Failure: a step that does not come next changes nothing and says so. Owns: what a top-up
says of its payment.
"""

import datetime as dt

from kit.orm.atomic import atomic
from kit.orm.saving import change
from metering.billing.models import Invoice
from metering.topups.asking import end
from metering.topups.models import PROBLEM_CHARS_MAX, TopUp

State = TopUp.State


def begin_payment(*, top_up: TopUp) -> bool:
    """Note that a payment is under way; tell whether it may go on."""
    with atomic():
        row = held(top_up)
        if row.state == State.DUE:
            changes = {"state": State.PENDING, "problem": ""}
            change(row, changes, action="begin_payment")
    return row.state == State.PENDING


def wait(*, top_up: TopUp, problem: str) -> bool:
    """Note why a top-up that is due waits; tell whether that is news."""
    with atomic():
        row = held(top_up)
        if row.state != State.DUE or row.problem == _short(problem):
            return False
        change(row, {"problem": _short(problem)}, action="wait")
    return True


def end_unpaid(*, top_up: TopUp, state: State, problem: str, now: dt.datetime) -> bool:
    """End a top-up that came to no payment; tell whether this ended it."""
    with atomic():
        row = held(top_up)
        if row.state not in (State.DUE, State.PENDING):
            return False
        end(row, state, now, problem=_short(problem))
    return True


def name_invoice(*, top_up: TopUp, invoice: Invoice) -> None:
    """Name the invoice of a payment that came in: as that is paid, the top-up ends.

    Part of the transaction that records the payment.
    """
    change(held(top_up), {"invoice": invoice}, action="invoice")


def held(top_up: TopUp) -> TopUp:
    """Lock a top-up until the transaction ends."""
    return TopUp.objects.select_for_update(of=("self",)).get(pk=top_up.pk)


def _short(problem: str) -> str:
    return problem[:PROBLEM_CHARS_MAX]
