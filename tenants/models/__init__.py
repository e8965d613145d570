"""Who may call, and how much: the rows of this app, a subject a module.

Rows with history are never deleted: a tenant is suspended, a project archived, a key or
a token revoked, a member removed, a limit ended.
"""

from tenants.models.answers import StoredAnswer
from tenants.models.audit import AuditAnchor, AuditDetail, AuditEntry, AuditHead
from tenants.models.keys import ApiKey, ApiKeyQuerySet, KeyState, KeyUse
from tenants.models.limits import Budget, Level, Limit, Quota, RateLimit, SetBy, Window
from tenants.models.mails import BillingAddress, Mail
from tenants.models.members import Invitation, Member, ProjectMember, Role
from tenants.models.notes import NOTE_CHARS_MAX, Note
from tenants.models.tenants import (
    PLAN_WEIGHT,
    PLAN_WEIGHT_MAX,
    Plan,
    Priority,
    Project,
    Tenant,
    _known_zone,
)
from tenants.models.tokens import ManagementToken, TokenKind, TokenState

__all__ = [
    "NOTE_CHARS_MAX",
    "PLAN_WEIGHT",
    "PLAN_WEIGHT_MAX",
    "ApiKey",
    "ApiKeyQuerySet",
    "AuditAnchor",
    "AuditDetail",
    "AuditEntry",
    "AuditHead",
    "BillingAddress",
    "Budget",
    "Invitation",
    "KeyState",
    "KeyUse",
    "Level",
    "Limit",
    "Mail",
    "ManagementToken",
    "Member",
    "Note",
    "Plan",
    "Priority",
    "Project",
    "ProjectMember",
    "Quota",
    "RateLimit",
    "Role",
    "SetBy",
    "StoredAnswer",
    "Tenant",
    "TokenKind",
    "TokenState",
    "Window",
    "_known_zone",
]
