"""Clocks that never run backwards, and nothing that reads the host's wall clock.

What bills is dated by PostgreSQL's clock (see `metering.intake.clock`); what measures a
duration or a silence uses the boot clock, which also counts while the machine sleeps.
"""

import time
from time import clock_gettime_ns

_BOOT_CLOCK = (
    time.CLOCK_BOOTTIME if hasattr(time, "CLOCK_BOOTTIME") else time.CLOCK_MONOTONIC
)


def boot_us() -> int:
    """Return microseconds of the boot clock."""
    return clock_gettime_ns(_BOOT_CLOCK) // 1000
