"""Operations of taxes, called for real, and what they refuse."""

from typing import Any

from django.test import Client

from tests.api.calling import Caller, soon, taken


def call_taxes(call: Caller, tenant: int) -> None:
    """Create and end a tax rate, and treat a tenant."""
    rate = call("create_tax_rate")["id"]
    call("list_tax_rates", query="country=DE&at=2026-11-03T00:00:00Z")
    assert call("retrieve_tax_rate", rate)["percent"] == "19"
    row = call("create_tax_treatment", tenant=tenant)["id"]
    call("list_tax_treatments", query=f"tenant={tenant}&kind=reverse_charge")
    call("retrieve_tax_treatment", row)
    call("end_tax_rate", rate)


def conflicts_of_taxes(client: Client, tenant: int) -> dict[str, Any]:
    """Create a rate twice, end it twice, and treat a tenant before a later one."""
    rate = taken(client, "create_tax_rate").json()["id"]
    again = taken(client, "create_tax_rate")
    taken(client, "end_tax_rate", rate)
    taken(client, "create_tax_treatment", tenant=tenant, starts_at=soon())
    return {
        "create_tax_rate": again,
        "end_tax_rate": taken(client, "end_tax_rate", rate, ends_at=soon()),
        "create_tax_treatment": taken(client, "create_tax_treatment", tenant=tenant),
    }
