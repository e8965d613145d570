"""Which class a request is served in: the lowest that it, its key and its plan say."""

import json
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from inference.engines.cache_salt import CacheSalts
from inference.gateway.admission import Call
from inference.gateway.turns import Turns
from inference.openai.requests import parse
from inference.routing.serving import Priority
from inference.routing.snapshot import Snapshot
from inference.scheduling.turns import Ask
from kit.contracts import Caller, Surface

NOTHING: Any = None
ADMITTED: Any = SimpleNamespace(admission=SimpleNamespace(request_id=uuid4()))


class _Asked:
    """A scheduler that gives each its turn, and notes what was asked."""

    def __init__(self) -> None:
        self.asks: list[Ask] = []

    def try_turn(self, ask: Ask) -> Any:
        self.asks.append(ask)
        return ask


def snapshot_of(*, key: str, plan: str, on_plan: int | None) -> Snapshot:
    """Return a tenant with a key, on plan 7 or on none; 7 is the default one."""
    snapshot = Snapshot()
    plan_body = {"is_default": True, "rows": [], "weight": 300, "priority_max": plan}
    snapshot.apply("plan", "7", plan_body)
    tenant = {"slug": "t", "active": True, "currency": "USD", "plan_id": on_plan}
    snapshot.apply("tenant", "1", tenant)
    row = {"api_key_id": 3, "project_id": 2, "tenant_id": 1, "expires_at": None}
    snapshot.apply("api_key", "digest", row | {"priority": key})
    model = {"context_tokens": 100, "max_output_tokens": None, "created": 1}
    snapshot.apply("model", "m", model)
    return snapshot


@pytest.mark.parametrize("on_plan", [7, None])
@pytest.mark.parametrize(
    ("asked", "key", "plan", "served"),
    [
        ("priority", "priority", "priority", Priority.PRIORITY),
        ("priority", "priority", "default", Priority.DEFAULT),
        ("priority", "default", "priority", Priority.DEFAULT),
        ("priority", "priority", "flex", Priority.FLEX),
        ("auto", "priority", "priority", Priority.DEFAULT),
        ("flex", "priority", "priority", Priority.FLEX),
        (None, "flex", "priority", Priority.FLEX),
    ],
)
async def test_it_is_the_lowest(
    asked: str | None, key: str, plan: str, served: Priority, on_plan: int | None
) -> None:
    snapshot, scheduler = snapshot_of(key=key, plan=plan, on_plan=on_plan), _Asked()
    turns = Turns(scheduler, snapshot, CacheSalts(b"secret"))  # type: ignore[arg-type]
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
    said = {} if asked is None else {"service_tier": asked}
    request = parse(Surface.CHAT_COMPLETIONS, json.dumps(body | said).encode())
    call = Call(Caller(1, 2, 3, "USD"), request, snapshot.models["m"], None)
    await turns.take(NOTHING, call, ADMITTED, body_bytes=4)
    [ask] = scheduler.asks
    assert ask.priority is served
    assert ask.weight == 300
