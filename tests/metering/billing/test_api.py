"""The invoices endpoint: exact amounts as text, charged ones as whole minor units."""

import json

import pytest
from django.test import Client

from kit.contracts import TokenCounts
from metering.billing.services import issue_invoice
from tests.factories.billing import CLOSED, make_draft, make_tenant_of

COUNTS = TokenCounts(input_tokens=1_234_567, output_tokens=3)


def test_an_invoice_has_its_lines_exact_and_charged(operator: Client) -> None:
    invoice = make_draft(counts=COUNTS)

    shown = operator.get(f"/api/v1/invoices/{invoice.pk}/").json()

    assert shown["exact_picos"] == "3703746000000"
    assert (shown["exact"], shown["amount_minor"]) == ("3.703746", 370)
    assert shown["public_id"] == str(invoice.public_id)
    assert (shown["number"], shown["state"]) == (None, "draft")
    assert (shown["first_date"], shown["end_date"]) == ("2026-09-01", "2026-10-01")
    assert shown["lines_sha256"] == invoice.lines_sha256
    lines = [
        (line["token_class"], line["quantity"], line["price_per_million"])
        for line in shown["lines"]
    ]
    assert lines == [("input", 1_234_567, "3.00"), ("output", 3, "15.00")]
    assert [line["exact_picos"] for line in shown["lines"]] == [
        "3703701000000",
        "45000000",
    ]
    assert [line["amount_minor"] for line in shown["lines"]] == [370, 0]


def test_an_issued_invoice_has_its_number(operator: Client) -> None:
    invoice = make_draft()
    issue_invoice(invoice=invoice, now=CLOSED)

    shown = operator.get(f"/api/v1/invoices/{invoice.pk}/").json()

    assert shown["state"] == "paid"
    assert shown["number"].startswith("T-2026-")
    assert shown["issued_at"] == "2026-10-02T00:00:00Z"


def test_the_list_is_narrowed_by_tenant_and_state(operator: Client) -> None:
    tenant = make_tenant_of()
    first, second = make_draft(tenant=tenant), make_draft()
    issue_invoice(invoice=second, now=CLOSED)

    def listed(**query: str | int) -> list[int]:
        response = operator.get("/api/v1/invoices/", query)
        return [row["id"] for row in response.json()["data"]]

    assert listed() == [second.pk, first.pk]
    assert listed(tenant=tenant.slug) == listed(tenant=tenant.pk) == [first.pk]
    assert listed(state="paid") == [second.pk]
    assert listed(tenant=tenant.pk, state="paid") == []


@pytest.mark.parametrize(
    ("query", "param"), [({"state": "lost"}, "state"), ({"tenant": "no-one"}, "tenant")]
)
def test_a_filter_that_matches_nothing_possible_is_400(
    operator: Client, query: dict[str, str], param: str
) -> None:
    response = operator.get("/api/v1/invoices/", query)

    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_no_amount_is_a_float(operator: Client) -> None:
    invoice = make_draft(counts=COUNTS)
    body = operator.get(f"/api/v1/invoices/{invoice.pk}/").content

    floats: list[str] = []
    json.loads(body, parse_float=floats.append)

    assert floats == []
