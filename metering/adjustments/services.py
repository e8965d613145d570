"""Writes of adjustments: set a request right, rate use of a model anew.

Both are made of events that compensate, posted by `metering.usage.corrections`; the
modules behind say how each fails.
"""

from metering.adjustments.adjusting import adjust_event
from metering.adjustments.rerating import (
    continue_reratings,
    rerate_chunk,
    start_rerating,
)

__all__ = ["adjust_event", "continue_reratings", "rerate_chunk", "start_rerating"]
