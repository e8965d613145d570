"""Writes of who may call, and how much: a subject a module.

Failure: what a caller may not do is a `kit.errors` error and nothing is written. Every
service is one transaction of the role in force; what it changes is told to the audit,
and what gateways need is published, in it.
"""

from tenants.services.audit import (
    ForgottenPerson,
    anchor_chains,
    forget_account,
    forget_billing_email,
    forget_member,
    forget_person,
    verify_audit,
)
from tenants.services.invitation_mail import send_due_invitations
from tenants.services.invitations import (
    accept_invitation,
    invite,
    open_invitation,
    resend_invitation,
    revoke_invitation,
)
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
from tenants.services.limit_holders import Holder
from tenants.services.limits import (
    change_limit,
    create_budget,
    create_quota,
    create_rate_limit,
    end_limit,
)
from tenants.services.members import (
    change_role,
    remove_member,
    set_projects,
    update_member,
)
from tenants.services.notes import add_note
from tenants.services.plans import (
    PlanChanges,
    PlanSettings,
    clear_default_plan,
    clear_plan,
    create_plan,
    make_default_plan,
    set_plan,
    update_plan,
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
    recover_tenant,
    restore_tenant,
    set_payment_mode,
    suspend_tenant,
    update_tenant,
)
from tenants.services.tokens import (
    IssuedToken,
    TokenBounds,
    TokenChanges,
    issue_token,
    revoke_token,
    rotate_token,
    update_token,
)

__all__ = [
    "DEFAULT_PROJECT",
    "ApiKeyChanges",
    "ForgottenPerson",
    "Holder",
    "IssuedKey",
    "IssuedToken",
    "KeyRights",
    "PlanChanges",
    "PlanSettings",
    "TenantChanges",
    "TokenBounds",
    "TokenChanges",
    "accept_invitation",
    "add_note",
    "anchor_chains",
    "archive_project",
    "change_limit",
    "change_role",
    "clear_default_plan",
    "clear_plan",
    "create_budget",
    "create_plan",
    "create_project",
    "create_quota",
    "create_rate_limit",
    "create_tenant",
    "disable_key",
    "enable_key",
    "end_limit",
    "forget_account",
    "forget_billing_email",
    "forget_member",
    "forget_person",
    "invite",
    "issue_key",
    "issue_token",
    "make_default_plan",
    "open_invitation",
    "recover_tenant",
    "remove_member",
    "rename_project",
    "resend_invitation",
    "restore_tenant",
    "revoke_invitation",
    "revoke_key",
    "revoke_token",
    "rotate_key",
    "rotate_token",
    "send_due_invitations",
    "set_payment_mode",
    "set_plan",
    "set_projects",
    "suspend_tenant",
    "update_key",
    "update_member",
    "update_plan",
    "update_tenant",
    "update_token",
    "verify_audit",
]
