"""Served models and replicas for tests, made by the services as the operator role."""

import itertools

from inference.control import services
from inference.control.models import Replica, ServedModel
from kit.orm.roles import as_operator

_numbers = itertools.count(1)


def make_model(
    *,
    name: str | None = None,
    context_tokens: int = 8192,
    max_output_tokens: int | None = None,
    tokenizer: str = "",
) -> ServedModel:
    """Create an enabled served model."""
    with as_operator():
        return services.create_model(
            name=name or f"model-{next(_numbers)}",
            context_tokens=context_tokens,
            max_output_tokens=max_output_tokens,
            tokenizer=tokenizer,
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
