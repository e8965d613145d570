"""Writes of who may call, and how much: a subject a module.

Failure: what a caller may not do is a `kit.errors` error and nothing is written. Every
service is one transaction of the role in force; what it changes is told to the audit,
and what gateways need is published, in it.
"""

from tenants.services.keys import (
    ApiKeyChanges,
    IssuedKey,
    KeyRights,
    disable_key,
    enable_key,
    issue_key,
    revoke_key,
    rotate_key,
    update_key,
)
from tenants.services.projects import (
    DEFAULT_PROJECT,
    archive_project,
    create_project,
    rename_project,
)
from tenants.services.tenants import (
    TenantChanges,
    create_tenant,
    restore_tenant,
    suspend_tenant,
    update_tenant,
)

__all__ = [
    "DEFAULT_PROJECT",
    "ApiKeyChanges",
    "IssuedKey",
    "KeyRights",
    "TenantChanges",
    "archive_project",
    "create_project",
    "create_tenant",
    "disable_key",
    "enable_key",
    "issue_key",
    "rename_project",
    "restore_tenant",
    "revoke_key",
    "rotate_key",
    "suspend_tenant",
    "update_key",
    "update_tenant",
]
