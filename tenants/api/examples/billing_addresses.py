"""Examples of billing addresses."""

BILLING_ADDRESS = {
    "id": 4,
    "tenant": 42,
    "email": "books@acme.example",
    "state": "waiting",
    "asked": 1,
    "asked_at": "2026-11-02T09:58:00.120000Z",
    "confirmed_at": None,
    "removed_at": None,
    "created_at": "2026-11-02T09:58:00.120000Z",
}
NEW_BILLING_ADDRESS = {"email": "books@acme.example"}
