"""A receipt over the API: its sums, its invoice lines, and whose it is."""

import datetime as dt
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.test import Client

from kit.handling import Handling, Keyed
from kit.orm.roles import APP, as_operator
from kit.scopes import Scope
from metering.billing.services import close_period, issue_invoice
from metering.usage.models import Event
from tenants.models import Project, Tenant
from tests.api.callers import Callers
from tests.factories.billing import CLOSED, FIRST, make_month, make_tenant_of
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use, undoing

NOON = dt.datetime(2026, 11, 10, 12, tzinfo=dt.UTC)


@pytest.fixture
def caller(fresh_database: object) -> Callers:
    """Provide a maker of clients by role."""
    return Callers()


def ask(client: Client, request_id: object, query: str = "") -> Any:
    """Ask for a receipt."""
    return client.get(f"/api/v1/usage/requests/{request_id}/{query}")


def tenant_of(use: Use) -> Tenant:
    """Return the tenant of a use."""
    with as_operator():
        return Tenant.objects.get(pk=use.tenant_id)


def used() -> tuple[Use, Event]:
    """Commit a request of a new tenant, and take it back."""
    noted = Handling(2, 200, 64, Keyed.FIRST)
    made = make_use(price=make_price(), admitted_at=NOON)
    use = replace(made, handling=noted)
    epoch = make_epoch(started_at=NOON)
    (event,) = commit(epoch, use)
    commit(epoch, undoing(event, use))
    return use, event


def test_charges_add_up_to_what_is_left(caller: Callers) -> None:
    use, event = used()
    tenant = tenant_of(use)

    shown = ask(caller(tenant=tenant), event.request_id).json()

    own, given_back = shown["charges"]
    assert (own["kind"], given_back["kind"]) == ("request", "undelivered")
    assert [each["adds_up"] for each in shown["charges"]] == [True, True]
    assert shown["charge_picos"] == own["charge_picos"] != "0"
    assert shown["net_charge_picos"] == "0"
    lines = {each["token_class"]: each for each in own["lines"]}
    assert (lines["input"]["tokens"], lines["input"]["price_per_million"]) == (
        use.counts.input_tokens,
        "3.00",
    )
    assert sum(int(each["charge_picos"]) for each in own["lines"]) == int(
        own["charge_picos"]
    )
    held = 200 * 3_000_000 + 64 * 15_000_000
    assert (shown["held_picos"], shown["held"]) == (str(held), "0.00156")
    assert (shown["attempts"], shown["idempotency_key"]) == (2, "first")


def test_a_correction_at_another_price_may_come_as_it_is_read(caller: Callers) -> None:
    use = make_use(price=make_price(), admitted_at=NOON)
    epoch = make_epoch(started_at=NOON)
    (event,) = commit(epoch, use)
    at_another = replace(undoing(event, use), price=make_price())
    client, said = caller(tenant=tenant_of(use)), list[str]()

    def between(execute: Any, sql: str, *rest: Any) -> Any:
        if "usage_prices_of" in sql or "correction.corrects" in sql:
            said.append(sql)
            if len(said) == 3:
                commit(epoch, at_another)
        return execute(sql, *rest)

    with connections[APP].execute_wrapper(between):
        answer = ask(client, event.request_id)

    # The log's row, then the receipt's two statements.
    assert len(said) == 3
    assert answer.status_code == 200
    after = ask(client, event.request_id).json()
    assert [each["kind"] for each in after["charges"]] == ["request", "undelivered"]


def test_it_leads_to_its_invoice_lines_for_who_may_see_bills(caller: Callers) -> None:
    tenant = make_tenant_of()
    use = make_month(tenant=tenant)
    with as_operator():
        event = Event.objects.get(tenant_id=use.tenant_id)
    reader = caller(tenant=tenant)
    before = ask(reader, event.request_id).json()
    assert before["invoice_lines"] == []

    with as_operator():
        closed = close_period(tenant=tenant, date=FIRST, now=CLOSED)
    # A draft is for operators.
    assert ask(reader, event.request_id).json()["invoice_lines"] == []
    query = f"?tenant={tenant.slug}"
    drafted = ask(caller(), event.request_id, query).json()["invoice_lines"]
    assert {each["number"] for each in drafted} == {""}
    with as_operator():
        assert closed.invoice is not None
        invoice = issue_invoice(invoice=closed.invoice, now=CLOSED)

    shown = ask(reader, event.request_id).json()
    found = {(each["number"], each["position"]) for each in shown["invoice_lines"]}
    assert found == {(invoice.number, position) for position in (1, 2, 3)}
    assert shown["billing_day"] == use.admitted_at.date().isoformat()
    narrow = caller(tenant=tenant, scopes={Scope.USAGE_READ})
    assert ask(narrow, event.request_id).json()["invoice_lines"] is None


def test_it_is_there_for_who_may_see_it_alone(caller: Callers) -> None:
    use, event = used()
    tenant = tenant_of(use)
    with as_operator():
        project = Project.objects.get(pk=use.project_id)
    inside = caller(role="developer", tenant=tenant, projects=[project])
    outside = caller(role="developer", tenant=tenant)
    other = caller(tenant=make_tenant())
    operator = caller()

    assert ask(inside, event.request_id).status_code == 200
    for client, asked in ((outside, event.request_id), (other, event.request_id)):
        answer = ask(client, asked)
        assert answer.status_code == 404
        assert str(asked) in answer.json()["error"]["message"]
    assert ask(operator, uuid4(), f"?tenant={tenant.slug}").status_code == 404
    assert ask(operator, event.request_id, f"?tenant={tenant.slug}").status_code == 200
    nobody = ask(operator, event.request_id)
    assert (nobody.status_code, nobody.json()["error"]["param"]) == (400, "tenant")
    # Another's name is refused as one that is not there.
    named = ask(other, event.request_id, f"?tenant={tenant.slug}")
    assert (named.status_code, named.json()["error"]["code"]) == (400, "not_found")


def test_a_correction_has_no_receipt_of_its_own(caller: Callers) -> None:
    use, event = used()
    with as_operator():
        correction = Event.objects.get(corrects=event.request_id)
    client = caller(tenant=tenant_of(use))

    assert ask(client, correction.request_id).status_code == 404
