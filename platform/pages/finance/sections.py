"""The finance pages in the order of their navigation.

A page that lands adds its line; whose address takes a month has an index without one.
"""

from typing import Final

from pages.design.sections import Group, Section

SEE_USAGE = "usage.view_dayrollup"
SEE_INVOICES = "billing.view_invoice"
ALL_FIGURES = (SEE_USAGE, SEE_INVOICES)

GROUPS: Final = (
    Group(
        "Earned",
        (
            Section(
                "Usage and spend",
                "finance:overview",
                ALL_FIGURES,
                covers=("finance:invoice",),
            ),
        ),
    ),
)
