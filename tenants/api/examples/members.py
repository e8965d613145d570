"""Examples of members."""

MEMBER = {
    "id": 15,
    "tenant": 42,
    "email": "ada@acme.example",
    "name": "Ada Lovelace",
    "role": "developer",
    "projects": [7],
    "created_at": "2026-11-02T10:05:31.700000Z",
    "removed_at": None,
}
MEMBER_CHANGES = {"role": "admin", "projects": []}
