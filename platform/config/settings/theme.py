"""The look of the admin, and the order of its navigation."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

from kit.links import rights_for

_FINANCE = ("usage.view_dayrollup", "billing.view_invoice")

# Of the pages that are no list of the admin's.
_RIGHTS = {
    "operations:live": ("control.view_replica",),
    "operations:routes": ("control.view_servedmodel",),
    "operations:proof": ("reconciliation.view_run",),
}


def _who_may(address: str) -> Callable[[Any], bool]:
    """Say who sees a link: those who may see the page that it leads to."""
    rights = _RIGHTS.get(address) or (
        _FINANCE if address.startswith("finance:") else rights_for(address)
    )
    return lambda request: request.user.has_perms(rights)


def _group(title: str, *items: tuple[str, str, str]) -> dict[str, Any]:
    """Make a group of the sidebar from titles, icons and the names of addresses."""
    return {
        "title": title,
        "separator": bool(title),
        "items": [
            {
                "title": label,
                "icon": icon,
                "link": reverse_lazy(address),
                "permission": _who_may(address),
            }
            for label, icon, address in items
        ],
    }


def _our_style(request: HttpRequest) -> str:
    # Asked for with the page: names of files have a hash once they are collected.
    return static("pages/admin.css")


def _our_mark(request: HttpRequest) -> str:
    return static("pages/mark.svg")


UNFOLD = {
    "SITE_TITLE": "Tollgate",
    "SITE_HEADER": "Tollgate",
    "SITE_SUBHEADER": "Operators",
    "SITE_SYMBOL": "toll",
    # Without it browsers ask for /favicon.ico, which is not there.
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _our_mark}],
    "SITE_URL": None,
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [_our_style],
    "DASHBOARD_CALLBACK": "config.dashboard.front_page",
    # The blue of the finance pages, from the lightest to the darkest.
    "COLORS": {
        "primary": {
            "50": "240 245 250",
            "100": "221 232 243",
            "200": "187 208 229",
            "300": "145 179 211",
            "400": "97 144 188",
            "500": "52 108 160",
            "600": "18 65 109",
            "700": "15 55 93",
            "800": "13 46 77",
            "900": "11 38 64",
            "950": "7 24 41",
        }
    },
    "SIDEBAR": {
        "show_search": False,
        "navigation": [
            _group(
                "",
                ("Overview", "monitoring", "admin:index"),
                ("Live", "speed", "operations:live"),
                ("Finance", "payments", "finance:overview"),
            ),
            _group(
                "Tenants",
                ("Tenants", "apartment", "admin:tenants_tenant_changelist"),
                ("Projects", "folder", "admin:tenants_project_changelist"),
                ("Members", "groups", "admin:tenants_member_changelist"),
                ("Invitations", "mail", "admin:tenants_invitation_changelist"),
                ("Mail", "outgoing_mail", "admin:tenants_mail_changelist"),
                ("API keys", "key", "admin:tenants_apikey_changelist"),
                (
                    "Management tokens",
                    "vpn_key",
                    "admin:tenants_managementtoken_changelist",
                ),
            ),
            _group(
                "Limits",
                ("Plans", "layers", "admin:tenants_plan_changelist"),
                ("Rate limits", "speed", "admin:tenants_ratelimit_changelist"),
                ("Quotas", "token", "admin:tenants_quota_changelist"),
                ("Budgets", "savings", "admin:tenants_budget_changelist"),
                (
                    "Credit",
                    "account_balance_wallet",
                    "admin:ledger_creditgrant_changelist",
                ),
                (
                    "Credit to approve",
                    "rule",
                    "admin:ledger_grantrequest_changelist",
                ),
                ("Alerts", "notifications", "admin:alerts_crossing_changelist"),
                ("Webhooks", "webhook", "admin:alerts_endpoint_changelist"),
                ("Alert deliveries", "outbox", "admin:alerts_delivery_changelist"),
            ),
            _group(
                "Serving",
                ("Routes", "route", "operations:routes"),
                ("Models", "smart_toy", "admin:control_servedmodel_changelist"),
                ("Aliases", "alt_route", "admin:control_modelalias_changelist"),
                ("Replicas", "dns", "admin:control_replica_changelist"),
                ("Gateway epochs", "sensors", "admin:usage_epoch_changelist"),
            ),
            _group(
                "Prices",
                ("Price books", "menu_book", "admin:pricing_pricebook_changelist"),
                ("Versions", "history", "admin:pricing_pricebookversion_changelist"),
                ("Assignments", "link", "admin:pricing_pricebookassignment_changelist"),
                ("Contracts", "handshake", "admin:pricing_contract_changelist"),
                (
                    "Plan versions",
                    "layers",
                    "admin:subscriptions_planversion_changelist",
                ),
                (
                    "Subscriptions",
                    "card_membership",
                    "admin:subscriptions_subscription_changelist",
                ),
            ),
            _group(
                "Billing",
                ("Invoices", "receipt_long", "admin:billing_invoice_changelist"),
                ("Periods", "date_range", "admin:billing_period_changelist"),
                ("Adjustments", "tune", "admin:adjustments_adjustment_changelist"),
                ("Re-ratings", "price_change", "admin:adjustments_rerating_changelist"),
                ("Documents", "description", "admin:documents_document_changelist"),
                ("Exports", "download", "admin:exports_export_changelist"),
                (
                    "Billing profiles",
                    "contact_mail",
                    "admin:billing_billingprofile_changelist",
                ),
                ("Sellers", "storefront", "admin:billing_seller_changelist"),
                ("Tax rates", "percent", "admin:taxes_taxrate_changelist"),
                (
                    "Tax treatments",
                    "policy",
                    "admin:taxes_taxtreatment_changelist",
                ),
            ),
            _group(
                "Money",
                ("Payments", "payments", "admin:receivables_payment_changelist"),
                ("Credit notes", "undo", "admin:receivables_creditnote_changelist"),
                ("Top-ups", "add_card", "admin:topups_topup_changelist"),
                ("Top-up rules", "autorenew", "admin:topups_topuprule_changelist"),
                ("Purchases", "shopping_cart", "admin:collection_purchase_changelist"),
                (
                    "Payment methods",
                    "credit_card",
                    "admin:collection_paymentmethod_changelist",
                ),
                ("Dunning", "mail", "admin:receivables_dunningstep_changelist"),
                ("Holds", "pause_circle", "admin:receivables_hold_changelist"),
                ("Disputes", "gavel", "admin:collection_dispute_changelist"),
                ("Write-offs", "money_off", "admin:receivables_writeoff_changelist"),
            ),
            _group(
                "Ledger",
                ("Accounts", "account_balance", "admin:ledger_account_changelist"),
                ("Transactions", "swap_horiz", "admin:ledger_transaction_changelist"),
                ("Entries", "list_alt", "admin:ledger_entry_changelist"),
                ("Cost rates", "savings", "admin:economics_costrate_changelist"),
                (
                    "Replicas' times",
                    "schedule",
                    "admin:economics_replicaspan_changelist",
                ),
            ),
            _group(
                "Proof",
                ("Latest proof", "verified", "operations:proof"),
                ("Runs", "rule", "admin:reconciliation_run_changelist"),
                ("Cases", "assignment_late", "admin:reconciliation_case_changelist"),
                (
                    "Calls to providers",
                    "sync",
                    "admin:billing_provideroperation_changelist",
                ),
                (
                    "Events of providers",
                    "move_to_inbox",
                    "admin:inbox_webhookevent_changelist",
                ),
                (
                    "Standings there",
                    "difference",
                    "admin:collection_standing_changelist",
                ),
                (
                    "Told to providers",
                    "outbound",
                    "admin:collection_outgoing_changelist",
                ),
                (
                    "Use told to meters",
                    "speed",
                    "admin:collection_meterevent_changelist",
                ),
                (
                    "Customers there",
                    "badge",
                    "admin:billing_providercustomer_changelist",
                ),
                ("Jobs", "progress_activity", "admin:jobs_job_changelist"),
            ),
            _group(
                "Access",
                ("Audit", "policy", "admin:tenants_auditentry_changelist"),
                ("Users", "person", "admin:auth_user_changelist"),
                ("Groups", "group", "admin:auth_group_changelist"),
            ),
        ],
    },
}
