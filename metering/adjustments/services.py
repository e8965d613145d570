"""Writes of adjustments: set a request right, rate use of a model anew.

Both are made of events that compensate, posted by `metering.usage.corrections`; the
modules behind say how each fails.
"""

from metering.adjustments.adjusting import adjust_event
from metering.adjustments.deciding import start_rerating
from metering.adjustments.rerating import rerate_chunk

__all__ = ["adjust_event", "rerate_chunk", "start_rerating"]
