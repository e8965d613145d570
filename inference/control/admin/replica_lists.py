"""What is done to many replicas at once."""

import datetime as dt
from collections.abc import Sequence

from inference.control import live, selectors, services
from inference.control.models import Replica
from kit.admin import BulkAction, Consequences


def running_on(going: Sequence[Replica], *, now: dt.datetime) -> str:
    """Say how many requests their engines have just now, as gateways tell it."""
    ids = {row.pk for row in going}
    serving = live.now_serving(now=now)
    if not serving.live_gateways:
        return "No gateway says what runs there."
    running = sum(each.running for each in serving.replicas if each.id in ids)
    return f"Requests that run there now: {running:,}."


def said_of_models(going: Sequence[Replica]) -> str:
    """Say which models have no active replica once these have gone."""
    names = selectors.left_without(going)
    which = f" ({', '.join(names)})" if names else ""
    return f"Models left without an active replica: {len(names):,}{which}."


class _TakingAway(BulkAction):
    """Something after which replicas are sent nothing new."""

    def consequences(
        self, rows: Sequence[Replica], *, now: dt.datetime
    ) -> Consequences:
        """Say which models nobody serves any more: that takes more than a click."""
        return Consequences(
            lines=(running_on(rows, now=now), said_of_models(rows)),
            is_in_use=bool(selectors.left_without(rows)),
        )


class DrainReplicas(_TakingAway):
    """Let what runs on the chosen replicas end."""

    name = "drain_replicas"
    label = "Drain"
    explanation = "No new request is sent to them; running ones end as they will."
    done = "Draining."

    def is_done(self, row: Replica) -> bool:
        """Leave those that are sent nothing already."""
        return row.state != Replica.State.ACTIVE

    def do(self, row: Replica, *, now: dt.datetime) -> Replica:
        """Drain one."""
        return services.drain_replica(replica=row)


class ActivateReplicas(BulkAction):
    """Send requests to the chosen replicas again."""

    name = "activate_replicas"
    label = "Activate"
    explanation = "Requests are sent to these replicas again."
    done = "Activated."

    def consequences(
        self, rows: Sequence[Replica], *, now: dt.datetime
    ) -> Consequences:
        """Count the places that there are more."""
        slots = sum(row.slots for row in rows)
        return Consequences(lines=(f"Requests at a time that they take: {slots:,}.",))

    def is_done(self, row: Replica) -> bool:
        """Leave those that are active."""
        return row.state == Replica.State.ACTIVE

    def do(self, row: Replica, *, now: dt.datetime) -> Replica:
        """Activate one."""
        return services.activate_replica(replica=row)


class DisableReplicas(_TakingAway):
    """Take the chosen replicas out of the gateways' sight."""

    name = "disable_replicas"
    label = "Disable"
    explanation = "They leave the gateways' sight. Drain them first to lose nothing."
    done = "Disabled."
    is_danger = True

    def is_done(self, row: Replica) -> bool:
        """Leave those that are disabled."""
        return row.state == Replica.State.DISABLED

    def do(self, row: Replica, *, now: dt.datetime) -> Replica:
        """Disable one."""
        return services.disable_replica(replica=row)
