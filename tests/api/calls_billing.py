"""Operations of billing profiles, called for real."""

from tests.api.calling import Caller


def call_billing(call: Caller, tenant: int) -> None:
    """Say who a tenant is on its invoices, once more with a purchase order."""
    call("create_billing_profile", tenant=tenant)
    again = call("create_billing_profile", tenant=tenant, po_number="P-7")
    assert (again["po_number"], again["country"]) == ("P-7", "DE")
    listed = call("list_billing_profiles", query=f"tenant={tenant}")["data"]
    assert [row["tenant"] for row in listed] == [tenant]
    assert call("retrieve_billing_profile", tenant) == again
