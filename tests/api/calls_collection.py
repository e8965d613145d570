"""Operations of collection, called for real, and what they refuse."""

from typing import Any

from django.test import Client, override_settings

from metering.collection.models import PaymentMethod, Purchase
from metering.usage.selectors import database_now
from tests.api.calling import Caller, taken

through_stripe = override_settings(BILLING_PROVIDER="stripe")


@through_stripe
def call_collection(call: Caller, tenant: int) -> None:
    """Ask for a page to pay on, give it up; list cards; ask for a link."""
    row = call("create_checkout", tenant=tenant)["id"]
    call("list_checkouts", query=f"tenant={tenant}&state=asked")
    shown = call("retrieve_checkout", row)
    assert (shown["state"], shown["url"], shown["total_minor"]) == ("asked", None, None)
    assert call("cancel_checkout", row)["id"] == row
    PaymentMethod.objects.create(
        tenant_id=tenant,
        account="default",
        reference="pm_1",
        kind="card",
        last4="4242",
        read_at=database_now(),
    )
    found = call("list_payment_methods", query=f"tenant={tenant}")["data"]
    assert [each["last4"] for each in found] == ["4242"]
    link = call("create_portal_link", tenant=tenant)["id"]
    assert call("retrieve_portal_link", link)["state"] == "asked"


def conflicts_of_collection(client: Client, tenant: int) -> dict[str, Any]:
    """Ask where nothing is paid online, and cancel what has ended."""
    answers = {
        name: taken(client, name, tenant=tenant)
        for name in ("create_checkout", "create_portal_link")
    }
    with through_stripe:
        row = taken(client, "create_checkout", tenant=tenant).json()["id"]
        Purchase.objects.filter(pk=row).update(state="failed")
        answers["cancel_checkout"] = taken(client, "cancel_checkout", row)
    return answers
