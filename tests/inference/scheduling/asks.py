"""Requests that want a turn, for tests."""

from uuid import uuid4

from inference.routing.router import RouteAsk
from inference.routing.serving import DEFAULT_SERVING, Priority, Serving
from inference.scheduling.turns import Ask


def ask(
    tenant_id: int = 1,
    *,
    model: str = "m",
    weight: int = 100,
    priority: Priority = Priority.DEFAULT,
    input_tokens: int = 100,
    output_tokens: int = 100,
    serving: Serving = DEFAULT_SERVING,
    pool: str = "",
) -> Ask:
    """Return what a request asks."""
    route = RouteAsk(model, "", "", tenant_id, "", lambda: b"")
    return Ask(
        uuid4(),
        pool or model,
        route,
        serving,
        tenant_id,
        weight,
        priority,
        input_tokens,
        output_tokens,
    )
