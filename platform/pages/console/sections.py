"""The console's pages in the order of their navigation, each with the right it needs.

A page that lands adds its line; the addresses below it go into `covers`. Whoever lacks
the scope does not see the line, and is refused by the page itself (`place.require`).
"""

from typing import Final

from kit.scopes import Scope
from pages.design.sections import Group, Section

GROUPS: Final = (
    Group(
        "",
        (
            Section("Home", "console:tenant", (Scope.TENANT_READ,)),
            Section("First call", "console:start", (Scope.GENERATE,)),
        ),
    ),
    Group(
        "Build",
        (
            Section(
                "API keys",
                "console:keys",
                (Scope.KEYS_READ,),
                covers=(
                    "console:key",
                    "console:key_new",
                    "console:key_change",
                    "console:key_limit",
                    "console:key_rotate",
                    "console:key_disable",
                    "console:key_enable",
                    "console:key_revoke",
                ),
            ),
            Section(
                "Playground", "console:playground", (Scope.GENERATE, Scope.KEYS_WRITE)
            ),
            Section(
                "Models and prices",
                "console:models",
                (Scope.CATALOG_READ,),
                covers=("console:model",),
            ),
        ),
    ),
    Group(
        "Use",
        (
            Section("Usage", "console:usage", (Scope.USAGE_READ,)),
            Section(
                "Limits",
                "console:limits",
                (Scope.LIMITS_READ,),
                covers=("console:limit", "console:limit_new", "console:limit_end"),
            ),
            Section(
                "Requests",
                "console:requests",
                (Scope.USAGE_READ,),
                covers=("console:request",),
            ),
        ),
    ),
    Group(
        "Billing",
        (
            Section(
                "Balance",
                "console:billing",
                (Scope.BILLING_READ,),
                covers=(
                    "console:top_up",
                    "console:top_up_rule",
                    "console:checkout",
                    "console:portal_link",
                ),
            ),
            Section(
                "Invoices",
                "console:invoices",
                (Scope.BILLING_READ,),
                covers=(
                    "console:invoice",
                    "console:invoice_line",
                    "console:invoice_day",
                ),
            ),
            Section("Credit", "console:credit", (Scope.BILLING_READ,)),
            Section(
                "Billing details", "console:billing_details", (Scope.BILLING_READ,)
            ),
        ),
    ),
    Group(
        "Manage",
        (
            Section(
                "Projects",
                "console:projects",
                (Scope.PROJECTS_READ,),
                covers=(
                    "console:project",
                    "console:project_new",
                    "console:project_rename",
                    "console:project_archive",
                ),
            ),
            Section(
                "Members",
                "console:members",
                (Scope.MEMBERS_READ,),
                covers=(
                    "console:member",
                    "console:member_invite",
                    "console:member_remove",
                    "console:invitation_resend",
                    "console:invitation_revoke",
                ),
            ),
            Section("Audit", "console:audit", (Scope.AUDIT_READ,)),
            Section(
                "Exports",
                "console:exports",
                (Scope.BILLING_READ,),
                covers=("console:export",),
            ),
            Section("Settings", "console:settings", (Scope.TENANT_READ,)),
            Section(
                "Notifications",
                "console:notifications",
                (Scope.WEBHOOKS_READ,),
                covers=(
                    "console:my_mails",
                    "console:webhook",
                    "console:webhook_new",
                    "console:webhook_edit",
                    "console:webhook_rotate",
                    "console:webhook_remove",
                    "console:webhook_delivery",
                ),
            ),
            Section(
                "Personal tokens",
                "console:tokens",
                (Scope.TOKENS_READ,),
                covers=(
                    "console:token_new",
                    "console:token_rotate",
                    "console:token_revoke",
                ),
            ),
        ),
    ),
)
