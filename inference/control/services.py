"""Writes of served models, their aliases and replicas.

Failure: what a caller may not do is a `kit.errors` error and nothing is written. Every
service is one transaction of the role in force; the publication to the gateways is part
of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from inference.control import fallbacks, retiring
from inference.control.models import ModelAlias, Replica, ServedModel
from inference.openai.tasks import GENERATING
from kit.orm.atomic import atomic
from kit.orm.saving import change, create


class ModelSettings(TypedDict, total=False):
    """What may be said of a served model besides its name and its context."""

    description: str
    max_output_tokens: int | None
    tokenizer: str
    tasks: list[str]
    modalities: list[str]
    base: ServedModel | None
    adapter: str
    defaults: dict[str, Any]
    choices_max: int | None
    allows_tools: bool
    cache_s: int
    policy: str
    canary_permille: int
    queue_max: int
    queue_ms: int
    wake_ms: int
    fallbacks: Sequence[ServedModel]


class ModelChanges(ModelSettings, total=False):
    """What may change of a served model; its name stays: prices refer to it."""

    context_tokens: int


class ReplicaSettings(TypedDict, total=False):
    """What may be said of a replica besides its model, its name and its address."""

    dialect: str
    upstream_model: str
    credential: str
    auth: str
    options: Mapping[str, str]
    slots: int
    weight: int
    canary: bool


class ReplicaChanges(ReplicaSettings, total=False):
    """What may change of a replica; its model and name stay."""

    url: str


def create_model(
    *, name: str, context_tokens: int, **settings: Unpack[ModelSettings]
) -> ServedModel:
    """Create an enabled served model.

    Raises `Conflict` when the name is taken, `InvalidRequest` for a value out of form.
    """
    settings["tasks"] = sorted(settings.get("tasks", GENERATING))
    settings.setdefault("tokenizer", "")
    chain = settings.pop("fallbacks", ())
    model = ServedModel(name=name, context_tokens=context_tokens, **settings)
    with atomic():
        _lock_base(settings)
        create(model)
        fallbacks.put(model, chain)
    return model


def update_model(*, model: ServedModel, **changes: Unpack[ModelChanges]) -> ServedModel:
    """Change a served model; `fallbacks` are put in the place of those it has.

    Raises `InvalidRequest` for a value out of form.
    """
    chain = changes.pop("fallbacks", None)
    with atomic():
        _lock_base(changes)
        row = ServedModel.objects.select_for_update().get(pk=model.pk)
        change(row, changes)
        retiring.check_successor(row)
        # What else changed may be at odds with those that stay.
        fallbacks.put(row, row.fallbacks if chain is None else chain)
    return row


def enable_model(*, model: ServedModel) -> ServedModel:
    """Offer a served model to callers. Idempotent."""
    return _set_enabled(model, enabled=True)


def disable_model(*, model: ServedModel) -> ServedModel:
    """Stop offering a served model; running answers end as they will. Idempotent."""
    return _set_enabled(model, enabled=False)


def create_alias(*, name: str, model: ServedModel) -> ModelAlias:
    """Give a served model another name to be called by.

    Raises `Conflict` when a model or an alias has the name, `InvalidRequest` for one
    out of form.
    """
    alias = ModelAlias(name=name, model=model)
    create(alias)
    return alias


def repoint_alias(*, alias: ModelAlias, model: ServedModel) -> ModelAlias:
    """Let an alias lead to another served model from now on."""
    return _change_alias(alias, {"model": model}, action="repoint")


def enable_alias(*, alias: ModelAlias) -> ModelAlias:
    """Let callers find a model by an alias. Idempotent."""
    return _change_alias(alias, {"enabled": True})


def disable_alias(*, alias: ModelAlias) -> ModelAlias:
    """Let an alias lead nowhere; its name stays taken. Idempotent."""
    return _change_alias(alias, {"enabled": False})


def add_replica(
    *, model: ServedModel, name: str, url: str, **settings: Unpack[ReplicaSettings]
) -> Replica:
    """Add an active replica that serves a model.

    Raises `Conflict` when the name is taken, `InvalidRequest` for a value out of form.
    """
    replica = Replica(model=model, name=name, url=url, **settings)
    create(replica)
    return replica


def update_replica(*, replica: Replica, **changes: Unpack[ReplicaChanges]) -> Replica:
    """Change how a replica is reached, and what it is given."""
    with atomic():
        row = Replica.objects.select_for_update().get(pk=replica.pk)
        change(row, changes)
    return row


def activate_replica(*, replica: Replica) -> Replica:
    """Send requests to a replica. Idempotent."""
    return _set_replica_state(replica, Replica.State.ACTIVE)


def drain_replica(*, replica: Replica) -> Replica:
    """Send no new request to a replica and let its running ones end. Idempotent."""
    return _set_replica_state(replica, Replica.State.DRAINING)


def disable_replica(*, replica: Replica) -> Replica:
    """Take a replica out of the snapshot. Idempotent."""
    return _set_replica_state(replica, Replica.State.DISABLED)


def _lock_base(settings: ModelSettings) -> None:
    """Keep a base as it is seen: two models cannot become each other's at once."""
    base = settings.get("base")
    if base is not None:
        settings["base"] = ServedModel.objects.select_for_update().get(pk=base.pk)


def _change_alias(
    alias: ModelAlias, changes: Mapping[str, object], *, action: str = "update"
) -> ModelAlias:
    with atomic():
        row = ModelAlias.objects.select_for_update().get(pk=alias.pk)
        change(row, changes, action=action)
    return row


def _set_enabled(model: ServedModel, *, enabled: bool) -> ServedModel:
    with atomic():
        row = ServedModel.objects.select_for_update().get(pk=model.pk)
        change(row, {"enabled": enabled})
    return row


def _set_replica_state(replica: Replica, state: Replica.State) -> Replica:
    with atomic():
        row = Replica.objects.select_for_update().get(pk=replica.pk)
        change(row, {"state": state})
    return row
