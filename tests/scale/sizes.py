"""How large the installation is, and when what happens in it.

Three months of use, in three phases. A phase commits a month's events, and with them a
few of the month before, which come too late for its bill; then all that is due is
rolled up, posted, closed and issued.
"""

import datetime as dt
from dataclasses import dataclass

ORDERED = dt.datetime(2026, 7, 20, tzinfo=dt.UTC)
# Noon, so that it is the first of August in every zone that there is.
BEGINS = dt.datetime(2026, 8, 1, 12, tzinfo=dt.UTC)
TURNS = tuple(dt.datetime(2026, month, 1, tzinfo=dt.UTC) for month in (9, 10, 11))
MONTHS = tuple(zip((BEGINS, *TURNS), TURNS, strict=False))
# Every zone has left the month by then, and what ran in it has ended.
GRACE = dt.timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Scale:
    """How many of each there are; the same seed makes the same installation."""

    events: int
    tenants: int
    workers: int = 2
    gateways: int = 4
    seed: int = 1
    # Of the events of the second and third month, so that it is 2 % of all.
    late_permille: int = 30

    def events_in(self, phase: int) -> range:
        """Return the numbers of the events that a phase commits."""
        months = len(MONTHS)
        return range(self.events * phase // months, self.events * (phase + 1) // months)


def closes_at(phase: int) -> dt.datetime:
    """Return the instant at which what a phase committed is billed."""
    return MONTHS[phase][1] + GRACE
