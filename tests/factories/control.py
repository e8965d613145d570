"""Served models, aliases and replicas for tests, made by services as operators."""

import itertools
from typing import Unpack

from inference.control import services
from inference.control.models import ModelAlias, Replica, ServedModel
from kit.orm.roles import as_operator

_numbers = itertools.count(1)


def make_model(
    *,
    name: str | None = None,
    context_tokens: int = 8192,
    **settings: Unpack[services.ModelSettings],
) -> ServedModel:
    """Create an enabled served model."""
    with as_operator():
        return services.create_model(
            name=name or f"model-{next(_numbers)}",
            context_tokens=context_tokens,
            **settings,
        )


def make_alias(
    *, name: str | None = None, model: ServedModel | None = None
) -> ModelAlias:
    """Give a model, a new one unless it is given, another name."""
    with as_operator():
        return services.create_alias(
            name=name or f"alias-{next(_numbers)}", model=model or make_model()
        )


def make_replica(
    *,
    model: ServedModel | None = None,
    name: str | None = None,
    url: str = "http://127.0.0.1:9000",
    dialect: str = Replica.Dialect.VLLM,
    upstream_model: str = "",
) -> Replica:
    """Add an active replica, of a new model unless one is given."""
    with as_operator():
        return services.add_replica(
            model=model or make_model(),
            name=name or f"replica-{next(_numbers)}",
            url=url,
            dialect=dialect,
            upstream_model=upstream_model,
        )
