"""Writes of billing: close periods into drafts, issue them, advance them.

The modules behind say how each fails: `closing`, `issuing`, `advancing`, `outbox`,
`reassigning`.
"""

from metering.billing.advancing import advance_invoice, advance_invoices, try_now
from metering.billing.closing import (
    Closed,
    close_period,
    close_periods_through,
)
from metering.billing.closing_due import close_due_periods
from metering.billing.issuing import issue_invoice
from metering.billing.outbox import let_go_on
from metering.billing.parties import describe_seller, set_billing_profile
from metering.billing.reassigning import HERE, issue_here
from metering.billing.topping_up import (
    TopUpQuote,
    draft_quoted,
    draft_top_up,
    quote_computed,
    quote_top_up,
)

__all__ = [
    "HERE",
    "Closed",
    "TopUpQuote",
    "advance_invoice",
    "advance_invoices",
    "close_due_periods",
    "close_period",
    "close_periods_through",
    "describe_seller",
    "draft_quoted",
    "draft_top_up",
    "issue_here",
    "issue_invoice",
    "let_go_on",
    "quote_computed",
    "quote_top_up",
    "set_billing_profile",
    "try_now",
]
