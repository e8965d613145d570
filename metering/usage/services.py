"""Writes of usage: rollups, the billing calendar, partitions, epochs of lost gateways.

Events themselves are written by gateways. Each function is an idempotent scan of the
database that may be run at any time, by several at once, and killed anywhere; the
modules behind say how each fails.
"""

from metering.usage.calendar import cover, renew_calendar, write_calendar
from metering.usage.key_hours import purge_key_hours
from metering.usage.partitions import make_partitions
from metering.usage.reaper import close_silent_epochs
from metering.usage.rollup import (
    Fault,
    RollUp,
    TenantDay,
    roll_up,
    roll_up_proven,
    take_changed_days,
)

__all__ = [
    "Fault",
    "RollUp",
    "TenantDay",
    "close_silent_epochs",
    "cover",
    "make_partitions",
    "purge_key_hours",
    "renew_calendar",
    "roll_up",
    "roll_up_proven",
    "take_changed_days",
    "write_calendar",
]
