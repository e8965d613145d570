"""What the provider is asked for when credit is bought: pure, the same at every try."""

from typing import Any

from metering.billing.lines import Lines
from metering.billing.providers.stripe.mapping import in_stripes_unit
from metering.collection.buying.verifying import marks_of
from metering.collection.models import Purchase
from tenants.mails.letter import console_address


def page(purchase: Purchase, lines: Lines) -> dict[str, Any]:
    """Return the page on which a purchase is paid; the method is kept for later ones.

    Each line goes out as one integer amount, tax too: the provider adds nothing to it.
    Whoever paid, or did not, comes back to the console's page of the purchase.
    """
    address = console_address(purchase.tenant.slug, f"billing/top-up/{purchase.pk}/")
    return {
        "mode": "payment",
        "customer": purchase.customer,
        "client_reference_id": str(purchase.public_id),
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": purchase.currency.lower(),
                    "unit_amount": in_stripes_unit(
                        line.amount_minor, purchase.currency
                    ),
                    "product_data": {"name": line.description},
                },
            }
            for line in lines.lines
            if line.amount_minor
        ],
        "payment_intent_data": {
            "description": str(purchase.top_up),
            "metadata": marks_of(purchase),
            "setup_future_usage": "off_session",
        },
        "metadata": marks_of(purchase),
        "success_url": f"{address}?paid=yes",
        "cancel_url": address,
    }


def payment(purchase: Purchase) -> dict[str, Any]:
    """Return the payment by a method of the customer's, while no person is there."""
    return {
        "amount": in_stripes_unit(purchase.total_minor, purchase.currency),
        "currency": purchase.currency.lower(),
        "customer": purchase.customer,
        "payment_method": purchase.method,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "off_session": True,
        "confirm": True,
        "description": str(purchase.top_up),
        "metadata": marks_of(purchase),
    }
