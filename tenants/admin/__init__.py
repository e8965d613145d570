"""Operators' pages of who may call, and how much: a subject a module."""

from tenants.admin.audit import AuditEntryAdmin
from tenants.admin.invitations import InvitationAdmin
from tenants.admin.keys import ApiKeyAdmin
from tenants.admin.limits import BudgetAdmin, QuotaAdmin, RateLimitAdmin
from tenants.admin.mails import MailAdmin
from tenants.admin.members import MemberAdmin
from tenants.admin.plans import PlanAdmin
from tenants.admin.projects import ProjectAdmin
from tenants.admin.tenants import TenantAdmin
from tenants.admin.tokens import ManagementTokenAdmin

__all__ = [
    "ApiKeyAdmin",
    "AuditEntryAdmin",
    "BudgetAdmin",
    "InvitationAdmin",
    "MailAdmin",
    "ManagementTokenAdmin",
    "MemberAdmin",
    "PlanAdmin",
    "ProjectAdmin",
    "QuotaAdmin",
    "RateLimitAdmin",
    "TenantAdmin",
]
