"""What people decide of events that are parked. Audited.

Failure: what is not parked is a `Conflict`.
"""

from kit.errors import Conflict
from kit.orm.atomic import atomic
from kit.orm.saving import change
from metering.collection.models import MeterEvent

State = MeterEvent.State


def tell_anew(*, event: MeterEvent) -> MeterEvent:
    """Give up a parked event: what it says is told under the next number.

    That one is noted with the next look at its hour, while meters still take it.
    """
    with atomic():
        row = MeterEvent.objects.select_for_update().get(pk=event.pk)
        if row.state != State.PARKED:
            raise Conflict(
                f"This event is {row.state}: only parked ones are told anew."
            )
        change(row, {"state": State.DROPPED}, action="tell_anew")
    return row
