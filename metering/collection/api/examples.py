"""Examples of what is collected through a provider; tests hold them to the schema."""

from typing import Any

CHECKOUT: dict[str, Any] = {
    "id": 8,
    "tenant": 42,
    "top_up": 15,
    "state": "open",
    "amount_minor": 10_000,
    "tax_minor": 1_900,
    "total_minor": 11_900,
    "currency": "EUR",
    "url": "https://checkout.stripe.com/c/pay/cs_test_a1",
    "problem": "",
    "asked_at": "2026-11-02T09:40:00.500000Z",
    "ended_at": None,
}
NEW_CHECKOUT: dict[str, Any] = {"tenant": 42, "amount_minor": 10_000}
METHOD: dict[str, Any] = {
    "id": 4,
    "tenant": 42,
    "account": "default",
    "kind": "card",
    "brand": "visa",
    "last4": "4242",
    "exp_month": 8,
    "exp_year": 2030,
    "is_default": True,
}
PORTAL_LINK: dict[str, Any] = {
    "id": 3,
    "tenant": 42,
    "state": "ready",
    "url": "https://billing.stripe.com/p/session/live_a1",
    "problem": "",
    "asked_at": "2026-11-02T09:40:00.500000Z",
}
NEW_PORTAL_LINK: dict[str, Any] = {"tenant": 42}
