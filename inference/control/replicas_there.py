"""List the replicas that are paid for, for whoever counts what they cost.

Active ones and draining ones: both run. Whether an engine answers is not asked, for a
replica costs the same while it does not. Failure: none of its own.
"""

from collections.abc import Sequence

from inference.control.models import Replica, ServedModel
from kit.replicas import ReplicaThere

_RUNNING = (Replica.State.ACTIVE, Replica.State.DRAINING)


def list_all() -> Sequence[ReplicaThere]:
    """Return every replica that runs, with the names of all that it answers to."""
    adapters: dict[int, list[str]] = {}
    on_a_base = ServedModel.objects.exclude(base=None).order_by("name")
    for base_id, name in on_a_base.values_list("base_id", "name"):
        adapters.setdefault(base_id, []).append(name)
    rows = Replica.objects.filter(state__in=_RUNNING).select_related("model")
    return [
        ReplicaThere(
            replica_id=row.pk,
            name=row.name,
            model=row.model.name,
            models=(row.model.name, *adapters.get(row.model_id, ())),
            engine=row.dialect,
            added_at=row.created_at,
        )
        for row in rows.order_by("pk")
    ]
