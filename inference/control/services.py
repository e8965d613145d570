"""Writes of served models and replicas.

Failure: what a caller may not do is a `kit.errors` error and nothing is written. Every
service is one transaction of the role in force; the publication to the gateways is part
of it.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypedDict, Unpack

from inference.control.models import Replica, ServedModel
from inference.openai.tasks import GENERATING
from kit.orm.atomic import atomic
from kit.orm.saving import change, create


class ModelChanges(TypedDict, total=False):
    """What may change of a served model; its name stays: prices refer to it."""

    description: str
    context_tokens: int
    max_output_tokens: int | None
    tokenizer: str
    tasks: list[str]


class ReplicaChanges(TypedDict, total=False):
    """What may change of a replica; its model and name stay."""

    url: str
    dialect: str
    upstream_model: str
    credential: str
    auth: str
    options: dict[str, str]


def create_model(
    *,
    name: str,
    context_tokens: int,
    max_output_tokens: int | None = None,
    description: str = "",
    tokenizer: str = "",
    tasks: Iterable[str] = GENERATING,
) -> ServedModel:
    """Create an enabled served model.

    Raises `Conflict` when the name is taken, `InvalidRequest` for a value out of form.
    """
    model = ServedModel(
        name=name,
        context_tokens=context_tokens,
        max_output_tokens=max_output_tokens,
        description=description,
        tokenizer=tokenizer,
        tasks=sorted(tasks),
    )
    create(model)
    return model


def update_model(*, model: ServedModel, **changes: Unpack[ModelChanges]) -> ServedModel:
    """Change a served model.

    Raises `InvalidRequest` for a value out of form.
    """
    with atomic():
        row = ServedModel.objects.select_for_update().get(pk=model.pk)
        change(row, changes)
    return row


def enable_model(*, model: ServedModel) -> ServedModel:
    """Offer a served model to callers. Idempotent."""
    return _set_enabled(model, enabled=True)


def disable_model(*, model: ServedModel) -> ServedModel:
    """Stop offering a served model; running answers end as they will. Idempotent."""
    return _set_enabled(model, enabled=False)


def add_replica(
    *,
    model: ServedModel,
    name: str,
    url: str,
    dialect: str = Replica.Dialect.VLLM,
    upstream_model: str = "",
    credential: str = "",
    auth: str = Replica.Auth.BEARER,
    options: Mapping[str, str] = MappingProxyType({}),
) -> Replica:
    """Add an active replica that serves a model.

    Raises `Conflict` when the name is taken, `InvalidRequest` for a value out of form.
    """
    replica = Replica(
        model=model,
        name=name,
        url=url,
        dialect=dialect,
        upstream_model=upstream_model,
        credential=credential,
        auth=auth,
        options=dict(options),
    )
    create(replica)
    return replica


def update_replica(*, replica: Replica, **changes: Unpack[ReplicaChanges]) -> Replica:
    """Change how a replica is reached."""
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
