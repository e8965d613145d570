"""Reads of served models and replicas.

Failure: a single row that is not there is a `NotFound` that says what was looked for.
"""

from django.db.models import QuerySet

from inference.control.models import Replica, ServedModel
from kit.errors import NotFound


def served_models(
    *, enabled: bool | None = None, name: str | None = None
) -> QuerySet[ServedModel]:
    """List served models; None means no narrowing."""
    rows = ServedModel.objects.all()
    if enabled is not None:
        rows = rows.filter(enabled=enabled)
    if name is not None:
        rows = rows.filter(name=name)
    return rows


def served_model(model_id: int) -> ServedModel:
    """Return one served model; raises `NotFound`."""
    row = ServedModel.objects.filter(pk=model_id).first()
    if row is None:
        raise NotFound(f"There is no served model {model_id}.")
    return row


def replicas(
    *, model: str | None = None, state: str | None = None
) -> QuerySet[Replica]:
    """List replicas, narrowed by their served model's name or their state."""
    rows = Replica.objects.select_related("model")
    if model is not None:
        rows = rows.filter(model__name=model)
    if state is not None:
        rows = rows.filter(state=state)
    return rows


def replica(replica_id: int) -> Replica:
    """Return one replica; raises `NotFound`."""
    row = Replica.objects.select_related("model").filter(pk=replica_id).first()
    if row is None:
        raise NotFound(f"There is no replica {replica_id}.")
    return row
