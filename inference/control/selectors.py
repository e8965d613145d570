"""Reads of served models, aliases and replicas.

Failure: a single row that is not there is a `NotFound` that says what was looked for.
"""

import datetime as dt
from collections.abc import Collection

from django.db.models import Q, QuerySet

from inference.control.models import ModelAlias, Replica, ServedModel
from kit.errors import NotFound


def served_models(
    *,
    enabled: bool | None = None,
    name: str | None = None,
    search: str | None = None,
) -> QuerySet[ServedModel]:
    """List served models; None means no narrowing."""
    rows = ServedModel.objects.select_related("base", "successor").prefetch_related(
        "fallback_rows__fallback"
    )
    if enabled is not None:
        rows = rows.filter(enabled=enabled)
    if name is not None:
        rows = rows.filter(name=name)
    if search is not None:
        rows = rows.filter(Q(name__icontains=search) | Q(description__icontains=search))
    return rows


def callable_models(*, now: dt.datetime) -> QuerySet[ServedModel]:
    """List the models that are offered and have not retired."""
    rows = served_models(enabled=True)
    return rows.filter(Q(retires_at=None) | Q(retires_at__gt=now))


def model_names(offered: bool) -> frozenset[str]:
    """Return the names of all served models, or of the enabled ones."""
    rows = served_models(enabled=True if offered else None)
    return frozenset(rows.values_list("name", flat=True))


def served_model(model_id: int, *, enabled: bool | None = None) -> ServedModel:
    """Return one served model; raises `NotFound`, also for one that is not as asked."""
    row = served_models(enabled=enabled).filter(pk=model_id).first()
    if row is None:
        raise NotFound(f"There is no served model {model_id}.")
    return row


def aliases(
    *, model: str | None = None, enabled: bool | None = None
) -> QuerySet[ModelAlias]:
    """List aliases, narrowed by the name of their model or by whether they lead."""
    rows = ModelAlias.objects.select_related("model")
    if model is not None:
        rows = rows.filter(model__name=model)
    if enabled is not None:
        rows = rows.filter(enabled=enabled)
    return rows


def alias(alias_id: int) -> ModelAlias:
    """Return one alias; raises `NotFound`."""
    row = aliases().filter(pk=alias_id).first()
    if row is None:
        raise NotFound(f"There is no alias {alias_id}.")
    return row


def replicas(
    *, model: str | None = None, state: str | None = None, canary: bool | None = None
) -> QuerySet[Replica]:
    """List replicas, narrowed by their model's name, their state, or being canaries."""
    rows = Replica.objects.select_related("model")
    if model is not None:
        rows = rows.filter(model__name=model)
    if state is not None:
        rows = rows.filter(state=state)
    if canary is not None:
        rows = rows.filter(canary=canary)
    return rows


def replica(replica_id: int) -> Replica:
    """Return one replica; raises `NotFound`."""
    row = Replica.objects.select_related("model").filter(pk=replica_id).first()
    if row is None:
        raise NotFound(f"There is no replica {replica_id}.")
    return row


def left_without(going: Collection[Replica]) -> list[str]:
    """Return which models had an active replica and have none once these have gone."""
    ids = [row.pk for row in going]
    rest = Replica.objects.filter(state=Replica.State.ACTIVE).exclude(pk__in=ids)
    losing = ServedModel.objects.filter(
        replicas__in=ids, replicas__state=Replica.State.ACTIVE
    )
    left = losing.exclude(pk__in=rest.values("model")).distinct()
    return list(left.order_by("name").values_list("name", flat=True))
