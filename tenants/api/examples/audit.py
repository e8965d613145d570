"""Examples of the audit."""

AUDIT_ENTRY = {
    "id": 90412,
    "tenant": 42,
    "seq": 318,
    "at": "2026-11-03T08:14:09.402117Z",
    "actor": {
        "kind": "tenant_token",
        "id": 23,
        "member": 15,
        "name": "deploy script",
        "email": "ada@acme.example",
    },
    "request_id": "0199e2ab-7c1e-7d0a-9b63-2f4f0f6f6a11",
    "action": "revoke",
    "object_kind": "api_key",
    "object_id": "311",
    "before": {"revoked_at": None},
    "after": {"revoked_at": "2026-11-03T08:14:09.398201+00:00"},
    "personal": None,
    "is_forgotten": False,
    "previous": "9f2c1d7a50be4f3d8a6c0e1b2d3f405162738495a6b7c8d9e0f1a2b3c4d5e6f7",
    "digest": "1b4f0e9851971998e732078544c96b36c3d01cedf7caa332359d6f1d83567014",
}
