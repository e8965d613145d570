"""What most tests of the stand-in's payment world begin with."""

from typing import Any

import stripe

from tests.standins.stripe import StripeStandIn

DAY_S = 86_400


def customer_with(
    client: stripe.StripeClient, token: str | None = None, **params: Any
) -> stripe.Customer:
    """Make a customer; with a token, it pays by that card unless told otherwise."""
    asked: Any = {"name": "Acme", **params}
    customer = client.v1.customers.create(asked)
    if token is None:
        return customer
    method = client.v1.payment_methods.attach(token, {"customer": customer.id})
    return client.v1.customers.update(
        customer.id, {"invoice_settings": {"default_payment_method": method.id}}
    )


def drafted(
    client: stripe.StripeClient, customer: str, *amounts: int, **params: Any
) -> stripe.Invoice:
    """Draft an invoice with a line for each amount."""
    terms: Any = {"customer": customer, "currency": "usd", **params}
    invoice = client.v1.invoices.create(terms)
    lines: Any = [{"amount": amount, "description": "tokens"} for amount in amounts]
    return client.v1.invoices.add_lines(invoice.id, {"lines": lines})


def opened(
    client: stripe.StripeClient, customer: str, *amounts: int, **params: Any
) -> stripe.Invoice:
    """Finalise an invoice with a line for each amount."""
    invoice = drafted(client, customer, *amounts, **params)
    return client.v1.invoices.finalize_invoice(invoice.id)


def events(standin: StripeStandIn, *prefixes: str) -> list[str]:
    """Return the types of the events so far, oldest first."""
    rows = standin.engine.account.events.rows.values()
    return [
        row["type"] for row in rows if not prefixes or row["type"].startswith(prefixes)
    ]
