"""End a purchase that came to no payment, and its top-up with it.

Nothing is owed then, and nothing is left behind. Failure: one that has ended stays as
it ended. Owns: how purchases end unpaid.
"""

import datetime as dt

from kit.orm.atomic import atomic
from kit.orm.saving import change
from metering.billing import outbox
from metering.billing.providers.stripe.customers import PROVIDER
from metering.collection.buying.deciding import Kind, Outcome
from metering.collection.buying.telling import tell_of_failure
from metering.collection.models import Purchase
from metering.topups import services as topups
from metering.topups.models import PROBLEM_CHARS_MAX, TopUp

_ENDS = {
    Kind.FAILED: (Purchase.State.FAILED, TopUp.State.FAILED),
    Kind.CANCELLED: (Purchase.State.CANCELLED, TopUp.State.CANCELLED),
}


def end_unpaid(*, purchase: Purchase, outcome: Outcome, now: dt.datetime) -> bool:
    """End a purchase as failed or cancelled; tell whether this ended it."""
    state, end = _ENDS[outcome.kind]
    with atomic():
        top_up = topups.held(purchase.top_up)
        row = Purchase.objects.select_for_update(of=("self",)).get(pk=purchase.pk)
        if row.state not in Purchase.UNDER_WAY:
            return False
        problem = outcome.problem[:PROBLEM_CHARS_MAX]
        changes: dict[str, object] = {
            "state": state,
            "ended_at": now,
            "problem": problem,
        }
        change(row, changes, action=str(state))
        # Nobody makes what was refused, or in doubt, any more.
        outbox.give_up_all(
            provider=PROVIDER,
            account=row.account,
            subject=str(row.public_id),
            now=now,
        )
        topups.end_unpaid(top_up=top_up, state=end, problem=problem, now=now)
        if outcome.kind is Kind.FAILED and row.way == Purchase.Way.METHOD:
            tell_of_failure(top_up=top_up, problem=problem, now=now)
    return True
