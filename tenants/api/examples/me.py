"""An example of a caller."""

ME = {
    "kind": "tenant_token",
    "tenant": {"id": 42, "slug": "acme"},
    "member": {"id": 15, "role": "developer"},
    "scopes": ["keys:read", "projects:read", "usage:read"],
    "projects": [7],
}
