"""The finance pages in the order of their navigation.

A page that lands adds its line; whose address takes a month has an index without one.
"""

from typing import Final

from pages.design.sections import Group, Section

SEE_USAGE = "usage.view_dayrollup"
SEE_INVOICES = "billing.view_invoice"
ALL_FIGURES = (SEE_USAGE, SEE_INVOICES)
SEE_LEDGER = (*ALL_FIGURES, "ledger.view_movement")
SEE_MARGIN = (*SEE_LEDGER, "economics.view_daymargin", "economics.view_costrate")
SEE_PLANS = (*SEE_LEDGER, "subscriptions.view_subscription")
SEE_FILES = (*SEE_LEDGER, "exports.view_export")
SEE_CLOSE = (*SEE_MARGIN, "economics.view_closesignature")

GROUPS: Final = (
    Group("", (Section("Overview", "finance:overview", SEE_LEDGER),)),
    Group(
        "Earned",
        (
            Section("Revenue", "finance:revenue", SEE_LEDGER),
            Section("Cohorts", "finance:cohorts", SEE_LEDGER),
            Section("Recurring", "finance:mrr", SEE_PLANS),
            Section(
                "Usage and spend",
                "finance:usage",
                ALL_FIGURES,
                covers=(
                    "finance:invoice",
                    "finance:explained_line",
                    "finance:explained_day",
                ),
            ),
        ),
    ),
    Group(
        "Owed",
        (
            Section("Receivables", "finance:receivables", SEE_LEDGER),
            Section("Credit", "finance:credit", SEE_LEDGER),
            Section("Sold ahead", "finance:waterfall", SEE_LEDGER),
            Section("From use to cash", "finance:funnel", SEE_LEDGER),
        ),
    ),
    Group(
        "Cost",
        (
            Section("Margin", "finance:margin", SEE_MARGIN),
            Section("Cost rates", "finance:costs", SEE_MARGIN),
            Section("Forecast", "finance:forecast", SEE_MARGIN),
        ),
    ),
    Group(
        "Books",
        (
            Section(
                "Close",
                "finance:closes",
                SEE_CLOSE,
                covers=("finance:close", "finance:close_lock", "finance:close_reopen"),
            ),
            Section("Journal", "finance:journal", SEE_LEDGER),
            Section(
                "Month report",
                "finance:reports",
                SEE_LEDGER,
                covers=("finance:report", "finance:files"),
            ),
        ),
    ),
)
