"""Tax that the stand-in computes on invoices, by line and by the customer's place."""

from typing import Any

import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe_world.scene import customer_with, drafted, events

TAXED: dict[str, Any] = {"automatic_tax": {"enabled": True}}


def _in(country: str, **more: str) -> dict[str, Any]:
    return {"address": {"country": country, **more}}


@pytest.mark.parametrize(
    ("place", "amounts", "tax", "rates"),
    [
        (_in("DE"), (33, 33), 12, [19.0]),
        (_in("GB"), (33, 33), 14, [20.0]),
        (_in("US", state="NY", postal_code="10001"), (1000, 250), 111, [4.0, 4.875]),
        (_in("CA", state="QC"), (1000,), 150, [5.0, 9.975]),
        (_in("US", state="CA", postal_code="94110"), (1000,), 0, [0.0]),
        (_in("BR"), (1000,), 0, [0.0]),
        (_in("DE"), (1000, -400), 114, [19.0]),
        (_in("AU"), (5, 25, 1000), 104, [10.0]),
    ],
)
def test_tax_is_rounded_by_line(
    client: stripe.StripeClient,
    place: dict[str, Any],
    amounts: tuple[int, ...],
    tax: int,
    rates: list[float],
) -> None:
    customer = customer_with(client, **place)
    invoice = drafted(client, customer.id, *amounts, **TAXED)
    assert invoice.automatic_tax.status == "complete"
    assert invoice.subtotal == invoice.total_excluding_tax == sum(amounts)
    assert invoice.total == sum(amounts) + tax
    assert invoice.total_taxes is not None
    assert sum(row.amount for row in invoice.total_taxes) == tax
    lines = client.v1.invoices.line_items.list(invoice.id).data
    assert sum(row.amount for line in lines for row in line.taxes or []) == tax
    named = [row.tax_rate_details for row in invoice.total_taxes]
    found = [client.v1.tax_rates.retrieve(row.tax_rate) for row in named if row]
    assert [rate.percentage for rate in found] == rates
    country = place["address"]["country"]
    assert {rate.country for rate in found} == {country}


def test_a_place_that_is_not_known_stops_finalising_until_it_is(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client)
    invoice = drafted(client, customer.id, 1000, **TAXED)
    assert invoice.automatic_tax.status == "requires_location_inputs"
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.invoices.finalize_invoice(invoice.id)
        assert refused.value.code == "customer_tax_location_invalid"
    draft = client.v1.invoices.retrieve(invoice.id)
    assert draft.status == "draft"
    assert draft.last_finalization_error is not None
    assert draft.last_finalization_error.code == "customer_tax_location_invalid"
    assert events(standin, "invoice.final") == ["invoice.finalization_failed"] * 2
    address: Any = {"country": "FR", "postal_code": "75001"}
    client.v1.customers.update(customer.id, {"address": address})
    assert client.v1.invoices.retrieve(invoice.id).total == 1200
    opened = client.v1.invoices.finalize_invoice(invoice.id)
    assert (opened.status, opened.amount_due) == ("open", 1200)


def test_a_draft_that_cannot_be_finalised_by_itself_stays_one(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    customer = customer_with(client)
    invoice = drafted(client, customer.id, 1000, auto_advance=True, **TAXED)
    standin.engine.clock.advance(3601)
    assert client.v1.invoices.retrieve(invoice.id).status == "draft"
    assert events(standin)[-1] == "invoice.finalization_failed"


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"tax_exempt": "exempt"}, "customer_exempt"),
        ({"tax_exempt": "reverse"}, "reverse_charge"),
        (
            {"tax_id_data": [{"type": "eu_vat", "value": "DE123456789"}]},
            "reverse_charge",
        ),
    ],
)
def test_who_pays_no_tax_is_told_why(
    client: stripe.StripeClient, params: dict[str, Any], reason: str
) -> None:
    customer = customer_with(client, **_in("DE"), **params)
    invoice = drafted(client, customer.id, 1000, **TAXED)
    assert (invoice.total, invoice.automatic_tax.status) == (1000, "complete")
    assert invoice.total_taxes is not None
    assert [row.taxability_reason for row in invoice.total_taxes] == [reason]


def test_tax_can_be_switched_off_while_a_draft(client: stripe.StripeClient) -> None:
    customer = customer_with(client, **_in("DE"))
    invoice = drafted(client, customer.id, 1000, **TAXED)
    assert invoice.total == 1190
    plain = client.v1.invoices.update(invoice.id, {"automatic_tax": {"enabled": False}})
    assert (plain.total, plain.automatic_tax.status, plain.total_taxes) == (
        1000,
        None,
        [],
    )


def test_a_customers_place_can_be_checked_when_it_is_written(
    client: stripe.StripeClient,
) -> None:
    asked: Any = {**_in("US"), "tax": {"validate_location": "immediately"}}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.create(asked)
    assert refused.value.code == "customer_tax_location_invalid"
    assert client.v1.customers.list().data == []
    asked["address"]["postal_code"] = "10001"
    asked["expand"] = ["tax"]
    customer = client.v1.customers.create(asked)
    assert customer.tax is not None
    assert customer.tax.automatic_tax == "supported"


def test_a_credit_note_gives_the_tax_of_its_lines_back(
    client: stripe.StripeClient,
) -> None:
    customer = customer_with(client, **_in("DE"))
    invoice = drafted(client, customer.id, 1000, 500, **TAXED)
    client.v1.invoices.finalize_invoice(invoice.id)
    line = client.v1.invoices.line_items.list(invoice.id).data[0]
    note = client.v1.credit_notes.create(
        {
            "invoice": invoice.id,
            "lines": [
                {
                    "type": "invoice_line_item",
                    "invoice_line_item": line.id,
                    "amount": 500,
                }
            ],
        }
    )
    assert (note.subtotal, note.total) == (500, 595)
    assert note.total_taxes is not None
    assert [row.amount for row in note.total_taxes] == [95]
    assert client.v1.invoices.retrieve(invoice.id).amount_due == 1785 - 595
    with pytest.raises(stripe.InvalidRequestError, match="by `lines` only"):
        client.v1.credit_notes.create({"invoice": invoice.id, "amount": 100})


@pytest.mark.parametrize(
    ("value", "status"),
    [("DE123456789", "verified"), ("DE111111111", "unverified")],
)
def test_a_tax_id_is_verified_some_time_later(
    standin: StripeStandIn, client: stripe.StripeClient, value: str, status: str
) -> None:
    customer = customer_with(client).id
    made = client.v1.customers.tax_ids.create(
        customer, {"type": "eu_vat", "value": value}
    )
    assert made.verification is not None
    assert made.verification.status == "pending"
    standin.engine.clock.advance(61)
    asked = client.v1.customers.tax_ids.retrieve(customer, made.id)
    assert asked.verification is not None
    assert asked.verification.status == status
    assert events(standin, "customer.tax_id")[-1] == "customer.tax_id.updated"
    client.v1.customers.tax_ids.delete(customer, made.id)
    assert client.v1.customers.tax_ids.list(customer).data == []
