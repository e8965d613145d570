"""Writes of top-ups: rules, what is asked for, and how far each has come."""

from metering.topups.advancing import advance, grant_paid
from metering.topups.asking import (
    RuleTerms,
    ask_by_rules,
    ask_top_up,
    cancel_top_up,
    set_rule,
)

__all__ = [
    "RuleTerms",
    "advance",
    "ask_by_rules",
    "ask_top_up",
    "cancel_top_up",
    "grant_paid",
    "set_rule",
]
