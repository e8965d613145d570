"""Operations of credit and of the books, called for real."""

from tests.api.calling import Caller


def call_credit(call: Caller, tenant: int) -> None:
    """Grant credit, read it with what is left, reverse a part and end the rest."""
    call("set_payment_mode_tenant", tenant)
    grant = call("create_credit_grant", tenant=tenant)["id"]
    (credit,) = call("read_standing", query=f"tenant={tenant}")["limits"]
    assert (credit["kind"], credit["money"]["left"]) == ("credit", "100.00")
    assert credit["expiring"]["amount"] == "100.00"
    call("list_credit_grants", query="active=true&source=top_up")
    call("retrieve_credit_grant", grant)
    call("reverse_credit_grant", grant)
    wallet = call("read_wallet", query=f"tenant={tenant}")
    assert (wallet["granted"], wallet["available"]) == ("100.00", "90.50")
    statement = call("read_statement", query=f"tenant={tenant}")
    lines = call("list_statement_lines", query=f"tenant={tenant}")["data"]
    assert [each["amount"] for each in lines] == ["-9.50", "100.00"]
    assert statement["closing"] == lines[0]["balance"] == "90.50"
    assert call("read_balances", query=f"tenant={tenant}")["accounts"]
    call("end_credit_grant", grant)
