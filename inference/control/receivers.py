"""Publish each saved row that gateways know about, whoever saves it.

Services, the admin and a shell all pass here. Failure: a save outside of a transaction
is refused before it happens, for its publication could otherwise be lost to a crash in
between.
"""

from collections.abc import Collection
from typing import Any

from django.db import connections
from django.db.models import Model
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.db.transaction import TransactionManagementError

from inference.control import publication
from inference.control.calibration import services as calibration
from inference.control.compilation import SOURCES, Kind
from inference.control.limit_entries import KINDS as LIMITS
from inference.control.limit_entries import AnyLimit, Holding
from inference.control.models import (
    Calibration,
    ModelAlias,
    ModelFallback,
    Replica,
    ServedModel,
)
from tenants.models import ApiKey, Plan, Project, Tenant

_KINDS: dict[type[Model], Kind] = {
    Tenant: Kind.TENANT,
    ApiKey: Kind.API_KEY,
    ServedModel: Kind.MODEL,
    Replica: Kind.REPLICA,
    ModelAlias: Kind.ALIAS,
    Plan: Kind.PLAN,
}


def connect() -> None:
    """Follow the rows that are published, and those that their entries are made of."""
    made_of: tuple[type[Model], ...] = (Project, Calibration, ModelFallback, *LIMITS)
    for model in (*_KINDS, *made_of):
        pre_save.connect(_require_transaction, sender=model)
        pre_delete.connect(_require_transaction, sender=model)
    for model in _KINDS:
        post_save.connect(_publish_saved, sender=model)
        post_delete.connect(_withdraw_deleted, sender=model)
    for limit in LIMITS:
        post_save.connect(_publish_limit, sender=limit)
        post_delete.connect(_publish_limit, sender=limit)
    post_save.connect(_publish_keys, sender=Project)
    post_save.connect(_publish_replicas, sender=ServedModel)
    post_save.connect(_publish_stood_in, sender=ServedModel)
    post_save.connect(_publish_model, sender=Calibration)
    post_save.connect(_publish_chain, sender=ModelFallback)
    post_delete.connect(_publish_chain, sender=ModelFallback)
    for model in (ServedModel, Replica):
        post_save.connect(_calibrate, sender=model)


def _require_transaction(sender: type[Model], using: str, **_: Any) -> None:
    if not connections[using].in_atomic_block:
        raise TransactionManagementError(
            f"{sender.__name__} is published in the transaction that writes it:"
            " call its service, or save inside kit.orm.atomic.atomic()."
        )


def _publish_saved(sender: type[Model], instance: Model, **_: Any) -> None:
    publication.publish(_KINDS[sender], [instance.pk])


def _withdraw_deleted(sender: type[Model], instance: Model, **_: Any) -> None:
    kind = _KINDS[sender]
    publication.withdraw(kind, [SOURCES[kind].key(instance)])


def _publish_limit(sender: type[Model], instance: AnyLimit, **_: Any) -> None:
    """Publish what is limited where a limit was set, changed, ended or deleted."""
    if instance.plan_id is not None:
        publication.publish(Kind.PLAN, [instance.plan_id])
    else:
        publication.publish(Kind.LIMITS, [Holding.of(instance)])


def _publish_keys(
    sender: type[Model],
    instance: Project,
    created: bool,
    update_fields: Collection[str] | None,
    **_: Any,
) -> None:
    """Publish a project's keys: they follow its archiving."""
    if created or (update_fields is not None and "archived_at" not in update_fields):
        return
    keys = ApiKey.objects.filter(project=instance).order_by("pk")
    publication.publish(Kind.API_KEY, keys.values_list("pk", flat=True).iterator())


def _publish_replicas(
    sender: type[Model], instance: ServedModel, created: bool, **_: Any
) -> None:
    """Publish a model's replicas: their entries carry its name."""
    if not created:
        replicas = Replica.objects.filter(model=instance)
        publication.publish(Kind.REPLICA, replicas.values_list("pk", flat=True))


def _publish_stood_in(
    sender: type[Model], instance: ServedModel, created: bool, **_: Any
) -> None:
    """Publish those it stands in for: their entries name it while it is offered."""
    if not created:
        chains = ModelFallback.objects.filter(fallback=instance).order_by("model_id")
        publication.publish(Kind.MODEL, chains.values_list("model_id", flat=True))


def _publish_chain(sender: type[Model], instance: ModelFallback, **_: Any) -> None:
    """Publish the model whose fallbacks change."""
    publication.publish(Kind.MODEL, [instance.model_id])


def _publish_model(sender: type[Model], instance: Calibration, **_: Any) -> None:
    """Publish a calibrated model and its adapters: their entries carry the factors."""
    adapters = ServedModel.objects.filter(base=instance.model_id).order_by("pk")
    publication.publish(
        Kind.MODEL, [instance.model_id, *adapters.values_list("pk", flat=True)]
    )


def _calibrate(sender: type[Model], **_: Any) -> None:
    """Have a worker ask the engines of what is new or reached in another way."""
    calibration.calibrate_soon()
