"""What people decide of events that are parked. Audited.

Failure: what is not parked is a `Conflict`.
"""

import datetime as dt

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.saving import change
from metering.collection.models import MeterEvent

State = MeterEvent.State


def tell_anew(*, event: MeterEvent, now: dt.datetime) -> MeterEvent:
    """Have a parked event told, with all its patience.

    One that was refused is told as it was: should an attempt have been heard, its
    identifier says so. One that a meter did not count is given up, and what it says is
    told under the next number, noted with the next look at its hour.
    """
    with atomic():
        row = MeterEvent.objects.select_for_update().get(pk=event.pk)
        if row.state != State.PARKED:
            raise Conflict(
                f"This event is {row.state}: only parked ones are told anew."
            )
        if row.is_surely_untold:
            changes: dict[str, object] = {"state": State.DROPPED}
        else:
            changes = {"state": State.WAITING, "refusals": 0, "try_at": now}
        change(row, changes, action="tell_anew")
    return row
