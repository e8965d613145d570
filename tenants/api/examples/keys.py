"""Examples of API keys."""

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
