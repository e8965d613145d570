"""One example of each thing that the management API takes and shows of tenants.

They tell one story, so that the ids of one fit the others. Tests hold them against the
schema and send them to the API.
"""

TENANT = {
    "id": 42,
    "slug": "acme",
    "name": "Acme Ltd",
    "state": "active",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "billing_email": "accounts@acme.example",
    "created_at": "2026-11-02T09:30:00.250000Z",
}
NEW_TENANT = {
    "slug": "acme",
    "name": "Acme Ltd",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "billing_email": "accounts@acme.example",
}
TENANT_CHANGES = {"name": "Acme Holdings Ltd", "zone": "Europe/London"}

PROJECT = {
    "id": 7,
    "tenant": 42,
    "slug": "support-bot",
    "name": "Support bot",
    "created_at": "2026-11-02T09:31:12.480000Z",
    "archived_at": None,
}
NEW_PROJECT = {"tenant": 42, "slug": "support-bot", "name": "Support bot"}
PROJECT_CHANGES = {"name": "Support bot, all countries"}

KEY = {
    "id": 311,
    "tenant": 42,
    "project": 7,
    "name": "production",
    "shown": "tg_EXAMPL…DOOR",
    "created_at": "2026-11-02T09:32:40.910000Z",
    "expires_at": "2099-12-31T23:00:00Z",
    "revoked_at": None,
}
ISSUED_KEY = {**KEY, "key": "tg_EXAMPLEKEY0000000000000000000000000000OPENSNODOOR"}
NEW_KEY = {"project": 7, "name": "production", "expires_at": "2099-12-31T23:00:00Z"}
KEY_CHANGES = {"name": "production, old", "expires_at": None}
