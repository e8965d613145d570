"""A body for every write: the document's example, with the ids of this world."""

import datetime as dt
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.timezone import now

from kit.scopes import DATA_PLANE, TENANTS, Scope
from tests.api.document import Operation, example_of
from tests.isolation.world import MODEL, Caller, World

_numbers = itertools.count(1)
Body = dict[str, Any]

# Fields that name a row of a side, and which.
_NAMED = {
    "tenant": "tenant",
    "project": "project",
    "key": "key",
    "api_key": "key",
    "member": "member",
    "invoice": "invoice",
}
MONTH = dt.timedelta(days=30)
# What an operation's example needs changed besides.
CHANGES: Mapping[str, Callable[[World, Caller], Body]] = {
    "create_tenant": lambda _, __: {"slug": f"made-{next(_numbers)}"},
    "create_project": lambda _, __: {"slug": f"made-{next(_numbers)}"},
    "create_replica": lambda _, __: {"model": MODEL},
    "create_model_alias": lambda _, __: {"model": MODEL},
    "update_model_alias": lambda _, __: {"model": MODEL},
    "update_model": lambda _, __: {"max_output_tokens": 1024, "fallbacks": []},
    "retire_model": lambda _, __: {"retires_at": (now() + MONTH).isoformat()},
    "create_key": lambda _, caller: {"scopes": held(caller, DATA_PLANE)},
    "create_token": lambda _, caller: {
        "scopes": held(caller, TENANTS - DATA_PLANE),
        "expires_at": (now() + MONTH).isoformat(),
    },
    "create_credit_grant": lambda _, __: {"reference": f"made-{next(_numbers)}"},
    "reverse_credit_grant": lambda _, __: {"amount": "0.01", "reversal": "mistake"},
    "create_adjustment": lambda world, _: {
        "request_id": world.sides["a"].request_id,
        "reference": f"made-{next(_numbers)}",
    },
    "preview_adjustment": lambda world, _: {"request_id": world.sides["a"].request_id},
    "create_rerating": lambda world, _: {
        "price_book": world.shared["price_book"],
        "model": MODEL,
        "reference": f"made-{next(_numbers)}",
    },
    "preview_rerating": lambda world, _: {
        "price_book": world.shared["price_book"],
        "model": MODEL,
    },
    "create_payment": lambda _, __: {"reference": f"made-{next(_numbers)}"},
    "refund_payment": lambda _, __: {
        "amount_minor": 1,
        "reference": f"made-{next(_numbers)}",
    },
    "create_credit_note": lambda _, __: {
        "reference": f"made-{next(_numbers)}",
        "lines": None,
    },
    "create_plan_version": lambda _, __: {"plan": "plan"},
    "migrate_plan_version": lambda world, _: {"target": world.shared["held_version"]},
    # It holds a plan, which is charged after use.
    "set_payment_mode_tenant": lambda _, __: {"payment_mode": "postpaid"},
    "create_subscription": lambda world, _: {
        "plan_version": world.shared["held_version"],
        "starts_on": (now() + 6 * MONTH).date().isoformat(),
    },
    "change_subscription": lambda world, _: {
        "plan_version": world.shared["other_version"]
    },
    "create_tax_rate": lambda _, __: {"name": f"tax {next(_numbers)}"},
    "create_contract": lambda world, _: {"price_book": world.shared["price_book"]},
    "create_billing_address": lambda world, _: {
        "tenant": world.sides["a"].ids["tenant"],
    },
    "create_invitation": lambda world, _: {
        "projects": [world.sides["a"].ids["project"]],
        "tenant": world.sides["a"].ids["tenant"],
    },
}


def held(caller: Caller, of: frozenset[Scope]) -> list[str]:
    """Return what a caller holds of some scopes, and so may give."""
    return sorted(caller.scopes & of)


def body_of(operation: Operation, world: World, caller: Caller) -> Body | None:
    """Return a body of the first tenant's that is right for a caller; None without one.

    An operation without a way to make one right is a test that fails, not one that is
    left out.
    """
    media = operation.request()
    if media is None:
        return None
    body: Body = example_of(media)
    ids = world.sides["a"].ids
    for name in _NAMED.keys() & body.keys():
        if body[name] is not None:
            body[name] = ids[_NAMED[name]]
    change = CHANGES.get(operation.id)
    return body | (change(world, caller) if change else {})
