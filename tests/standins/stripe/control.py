"""What tests and people do to a stand-in in another process, at `/standin/*`.

POST /standin/faults     plan a fault: {"kind": "commit_then_drop", "path": "/v1/..."}
DELETE /standin/faults   forget the plan, release what is held
POST /standin/clock      {"advance_s": 86400}
POST /standin/accounts   open an account: {"name", "api_key", "reference"}
POST /standin/webhooks   add an endpoint: {"url", "secrets", "events", "account"}
POST /standin/disorders  plan what goes wrong with webhooks: {"kind": "duplicate", ...}
DELETE /standin/disorders  forget that plan
POST /standin/settle     answer once all webhooks that are due have been sent
POST /standin/limits     {"on": true, "virtual": false}
POST /standin/latency    {"seconds": 0.15}
GET /standin/journal     every request so far
GET /standin/webhooks    every attempt to send a webhook, and what waits
GET /standin/invoices    every invoice with all its lines
"""

import json
from collections.abc import Callable
from typing import Any

from tests.standins.stripe.engine import Engine
from tests.standins.stripe.event_log import Json
from tests.standins.stripe.faults import Fault
from tests.standins.stripe.hooks.disorder import Disorder
from tests.standins.stripe.hooks.endpoints import endpoint_of, new_secret

Control = Callable[[Engine, Json], tuple[int, object]]


def answer(engine: Engine, method: str, path: str, body: str) -> tuple[int, object]:
    """Do what a control asks."""
    control = _CONTROLS.get((method, path.removeprefix("/standin/")))
    if control is None:
        return 404, {"error": "not found"}
    try:
        return control(engine, json.loads(body or "{}"))
    except (ValueError, KeyError, TypeError, TimeoutError) as error:
        return 400, {"error": str(error)}


def _plan_fault(engine: Engine, spec: Json) -> tuple[int, object]:
    engine.faults.add(Fault.parse(spec))
    return 201, {}


def _forget_faults(engine: Engine, _: Json) -> tuple[int, object]:
    engine.faults.clear()
    return 200, {}


def _move_clock(engine: Engine, spec: Json) -> tuple[int, object]:
    engine.clock.advance(float(spec["advance_s"]))
    return 200, {"now": engine.clock.now()}


def _open_account(engine: Engine, spec: Json) -> tuple[int, object]:
    account = engine.open_account(**spec).account
    return 201, {"id": account.id, "livemode": account.livemode}


def _add_webhook(engine: Engine, spec: Json) -> tuple[int, object]:
    wanted = spec.get("account", engine.account.id)
    rows = [row.account for row in engine.merchants.rows if row.account.id == wanted]
    if not rows:
        raise ValueError(f"there is no account {wanted}")
    account = rows[0]
    made = endpoint_of(
        url=spec["url"],
        secrets=spec.get("secrets") or [new_secret()],
        events=spec.get("events", ["*"]),
        id=account.new_id("we"),
        created=account.now(),
        livemode=account.livemode,
        api_version=spec.get("api_version"),
    )
    return 201, {**account.endpoints.add(made).shown(), "secrets": made.secrets}


def _plan_disorder(engine: Engine, spec: Json) -> tuple[int, object]:
    engine.hooks.plan.add(Disorder.parse(spec))
    return 201, {}


def _forget_disorders(engine: Engine, _: Json) -> tuple[int, object]:
    engine.hooks.plan.clear()
    return 200, {}


def _settle(engine: Engine, spec: Json) -> tuple[int, object]:
    engine.hooks.settle(float(spec.get("timeout_s", 60)))
    return 200, {}


def _limit(engine: Engine, spec: Json) -> tuple[int, object]:
    for merchant in engine.merchants.rows:
        if spec["on"]:
            merchant.limits.switch_on(virtual=bool(spec.get("virtual")))
        else:
            merchant.limits.switch_off()
    return 200, {}


def _be_far(engine: Engine, spec: Json) -> tuple[int, object]:
    engine.latency_s = float(spec["seconds"])
    return 200, {}


def _journal(engine: Engine, _: Json) -> tuple[int, object]:
    return 200, {"data": [entry.shown() for entry in engine.journal]}


def _webhooks(engine: Engine, _: Json) -> tuple[int, object]:
    waiting: list[dict[str, Any]] = [
        {"due": due, "type": kind} for due, kind in engine.hooks.waiting()
    ]
    sent = [attempt.shown() for attempt in engine.hooks.attempts]
    return 200, {"data": sent, "waiting": waiting}


def _invoices(engine: Engine, _: Json) -> tuple[int, object]:
    return 200, {"data": engine.invoices()}


_CONTROLS: dict[tuple[str, str], Control] = {
    ("POST", "faults"): _plan_fault,
    ("DELETE", "faults"): _forget_faults,
    ("POST", "clock"): _move_clock,
    ("POST", "accounts"): _open_account,
    ("POST", "webhooks"): _add_webhook,
    ("POST", "disorders"): _plan_disorder,
    ("DELETE", "disorders"): _forget_disorders,
    ("POST", "settle"): _settle,
    ("POST", "limits"): _limit,
    ("POST", "latency"): _be_far,
    ("GET", "journal"): _journal,
    ("GET", "webhooks"): _webhooks,
    ("GET", "invoices"): _invoices,
}
