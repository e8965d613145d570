"""Examples of management tokens."""

TOKEN = {
    "id": 87,
    "tenant": 42,
    "member": None,
    "kind": "service",
    "name": "nightly report",
    "shown": "tgt_EXAMP…DOOR",
    "state": "active",
    "scopes": ["billing:read", "usage:read"],
    "allowed_networks": ["203.0.113.7/32"],
    "created_at": "2026-11-03T08:00:00.120000Z",
    "expires_at": "2099-12-31T23:00:00Z",
    "revoked_at": None,
    "replaces": None,
    "last_used_at": "2026-11-20T02:00:00Z",
}
ISSUED_TOKEN = {
    **TOKEN,
    "last_used_at": None,
    "token": "tgt_EXAMPLETOKEN00000000000000000000000000OPENSNODOOR",
}
NEW_TOKEN = {
    "tenant": 42,
    "name": "nightly report",
    "scopes": ["usage:read", "billing:read"],
    "allowed_networks": ["203.0.113.7"],
    "expires_at": "2099-12-31T23:00:00Z",
}
TOKEN_CHANGES = {"name": "nightly report, Berlin", "scopes": ["usage:read"]}
TOKEN_ROTATION = {"overlap_s": 3600}
