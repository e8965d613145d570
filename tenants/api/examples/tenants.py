"""Examples of tenants."""

TENANT = {
    "id": 42,
    "slug": "acme",
    "name": "Acme Ltd",
    "state": "active",
    "suspended_for": "",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "period_day": 1,
    "billing_email": "accounts@acme.example",
    "plan": None,
    "payment_mode": "postpaid",
    "created_at": "2026-11-02T09:30:00.250000Z",
}
NEW_TENANT = {
    "slug": "acme",
    "name": "Acme Ltd",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "period_day": 1,
    "billing_email": "accounts@acme.example",
}
TENANT_CHANGES = {"name": "Acme Holdings Ltd", "zone": "Europe/London"}
PLAN_CHANGE = {"plan": None}
PAYMENT_CHANGE = {"payment_mode": "prepaid"}
