"""Operations of plan versions and subscriptions, called, and what they refuse."""

import datetime as dt
from typing import Any

from django.test import Client

from tests.api.calling import Caller, taken
from tests.factories.subscriptions import make_plan_version
from tests.factories.tenants import make_tenant


def call_plans(call: Caller) -> None:
    """Draft, set and publish a version; subscribe, change, migrate and end."""
    tenant = make_tenant(currency="EUR")
    first = make_plan_version(currency="EUR")
    draft = call("create_plan_version", plan=first.plan.slug)["id"]
    call("update_plan_version", draft)
    call("set_components", draft)
    call("set_discounts", draft)
    shown = call("retrieve_plan_version", draft)
    assert (shown["fee"], shown["state"]) == ("59.00", "draft")
    assert shown["discounts"][0]["percent"] == "10"
    assert call("preview_plan_version", draft, query="limit=5")["data"] == []
    call("publish_plan_version", draft)
    listed = call("list_plan_versions", query=f"plan={first.plan.slug}&currency=EUR")
    assert [each["number"] for each in listed["data"]] == [2, 1]

    row = call("create_subscription", tenant=tenant.pk, plan_version=draft)["id"]
    call("retrieve_subscription", row)
    later = tenant.created_at.date() + dt.timedelta(days=2)
    changed = call(
        "change_subscription", row, plan_version=first.pk, starts_on=later.isoformat()
    )
    assert (changed["starts_on"], changed["number"]) == (later.isoformat(), 1)
    moved = call("migrate_plan_version", first.pk, target=draft)
    assert moved == {"moved": 1, "refused": [], "left": 0}
    rows = call("list_subscriptions", query=f"tenant={tenant.pk}")["data"]
    assert [each["plan_version"] for each in rows] == [draft, first.pk, draft]
    call("list_subscriptions", query=f"plan_version={draft}")
    call("end_subscription", rows[0]["id"])


def conflicts_of_plans(client: Client) -> dict[str, Any]:
    """Change what is published, subscribe twice, and end what has ended."""
    version = make_plan_version().pk
    other = make_plan_version().pk
    draft = taken(
        client,
        "create_plan_version",
        plan=make_plan_version().plan.slug,
        currency="USD",
    ).json()["id"]
    fixed = {"name": "Off", "scope": "fees", "percent": None, "amount": "1"}
    taken(client, "set_discounts", draft, discounts=[fixed])
    taken(client, "update_plan_version", draft, fee_in_advance=True)
    tenant = make_tenant()
    row = taken(
        client, "create_subscription", tenant=tenant.pk, plan_version=version
    ).json()["id"]
    again = (tenant.created_at.date() + dt.timedelta(days=3)).isoformat()
    answers = {
        "update_plan_version": taken(client, "update_plan_version", version),
        "set_components": taken(client, "set_components", version),
        "set_discounts": taken(client, "set_discounts", version),
        "publish_plan_version": taken(client, "publish_plan_version", draft),
        "migrate_plan_version": taken(
            client, "migrate_plan_version", version, target=draft
        ),
        "create_subscription": taken(
            client,
            "create_subscription",
            tenant=tenant.pk,
            plan_version=other,
            starts_on=again,
        ),
        "change_subscription": taken(
            client, "change_subscription", row, plan_version=version
        ),
    }
    taken(client, "end_subscription", row, ends_on=again)
    later = (tenant.created_at.date() + dt.timedelta(days=4)).isoformat()
    answers["end_subscription"] = taken(client, "end_subscription", row, ends_on=later)
    return answers
