"""Operations of billing addresses, called for real, and what they refuse."""

import datetime as dt
from typing import Any

from django.test import Client

from metering.usage.selectors import database_now
from tenants.mails import addresses
from tenants.models import BillingAddress
from tests.api.calling import Caller, taken


def call_addresses(call: Caller, tenant: int) -> None:
    """Name an address, ask again, and remove it."""
    row = call("create_billing_address", tenant=tenant)["id"]
    call("list_billing_addresses", query=f"tenant={tenant}&confirmed=false")
    assert call("retrieve_billing_address", row)["state"] == "waiting"
    # As if its mail had gone long ago.
    earlier = database_now() - dt.timedelta(days=1)
    BillingAddress.objects.filter(pk=row).update(asked_at=earlier)
    assert call("resend_billing_address", row)["asked"] == 2
    assert call("remove_billing_address", row)["state"] == "removed"


def conflicts_of_addresses(client: Client, tenant: int) -> dict[str, Any]:
    """Name an address twice, and ask one that has agreed."""
    row = taken(client, "create_billing_address", tenant=tenant).json()["id"]
    again = taken(client, "create_billing_address", tenant=tenant)
    link = addresses.link_text(BillingAddress.objects.get(pk=row))
    addresses.confirm(text=link, now=database_now())
    return {
        "create_billing_address": again,
        "resend_billing_address": taken(client, "resend_billing_address", row),
    }
