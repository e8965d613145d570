"""Writes of top-ups: rules, what is asked for, and how far each has come."""

from metering.topups.advancing import advance, grant_paid
from metering.topups.asking import (
    OFFLINE,
    RuleTerms,
    ask_by_rules,
    ask_top_up,
    cancel_top_up,
    set_rule,
)
from metering.topups.paid_first import (
    begin_payment,
    end_unpaid,
    held,
    name_invoice,
    wait,
)

__all__ = [
    "OFFLINE",
    "RuleTerms",
    "advance",
    "ask_by_rules",
    "ask_top_up",
    "begin_payment",
    "cancel_top_up",
    "end_unpaid",
    "grant_paid",
    "held",
    "name_invoice",
    "set_rule",
    "wait",
]
