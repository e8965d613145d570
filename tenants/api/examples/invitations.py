"""Examples of invitations."""

INVITATION = {
    "id": 9,
    "tenant": 42,
    "email": "ada@acme.example",
    "role": "developer",
    "projects": [7],
    "state": "open",
    "invited_by": 12,
    "created_at": "2026-11-02T09:58:00.120000Z",
    "sent_at": "2026-11-02T09:58:01.400000Z",
    "expires_at": "2026-11-09T09:58:00.118000Z",
    "accepted_at": None,
    "revoked_at": None,
}
NEW_INVITATION = {"email": "ada@acme.example", "role": "developer", "projects": [7]}
