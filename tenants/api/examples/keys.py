"""Examples of API keys."""

KEY = {
    "id": 311,
    "tenant": 42,
    "project": 7,
    "member": None,
    "name": "production",
    "shown": "tg_EXAMPL…DOOR",
    "state": "active",
    "scopes": ["embed", "generate"],
    "allowed_models": [],
    "allowed_networks": ["203.0.113.0/24", "2001:db8::/32"],
    "priority": "default",
    "created_at": "2026-11-02T09:32:40.910000Z",
    "expires_at": "2099-12-31T23:00:00Z",
    "disabled_at": None,
    "revoked_at": None,
    "replaces": None,
    "last_used_at": "2026-11-20T17:03:11.204000Z",
    "last_used_model": "llama-3.3-70b",
}
ISSUED_KEY = {
    **KEY,
    "last_used_at": None,
    "last_used_model": None,
    "key": "tg_EXAMPLEKEY0000000000000000000000000000OPENSNODOOR",
}
NEW_KEY = {
    "project": 7,
    "name": "production",
    "scopes": ["generate", "embed"],
    "allowed_networks": ["203.0.113.0/24", "2001:db8::/32"],
    "expires_at": "2099-12-31T23:00:00Z",
}
KEY_CHANGES = {
    "name": "production, old",
    "scopes": ["generate"],
    "allowed_networks": [],
    "expires_at": None,
    "priority": "flex",
}
KEY_ROTATION = {"overlap_s": 3600}
