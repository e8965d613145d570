"""Operations of top-ups, called for real, and what they refuse."""

from typing import Any

from django.test import Client

from metering.topups.models import TopUp
from metering.topups.services import advance
from metering.usage.selectors import database_now
from tests.api.calling import Caller, taken


def call_topups(call: Caller, tenant: int) -> None:
    """Set a rule, ask for a top-up and give it up."""
    rule = call("create_top_up_rule", tenant=tenant)["id"]
    assert call("create_top_up_rule", tenant=tenant, enabled=False)["id"] == rule
    call("list_top_up_rules", query=f"tenant={tenant}")
    assert call("retrieve_top_up_rule", rule)["threshold_minor"] == 2_000
    top_up = call("create_top_up", tenant=tenant)["id"]
    call("list_top_ups", query=f"tenant={tenant}&state=due")
    assert call("retrieve_top_up", top_up)["reference"] == f"top-up {top_up}"
    assert call("cancel_top_up", top_up)["state"] == "cancelled"


def conflicts_of_topups(client: Client, tenant: int) -> dict[str, Any]:
    """Ask while one is open, and cancel what is invoiced."""
    taken(client, "create_top_up", tenant=tenant)
    again = taken(client, "create_top_up", tenant=tenant)
    advance(now=database_now())
    top_up = TopUp.objects.get(tenant_id=tenant).pk
    return {
        "create_top_up": again,
        "cancel_top_up": taken(client, "cancel_top_up", top_up),
    }
