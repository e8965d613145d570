"""Which step of following up an unpaid invoice is due. Pure.

A schedule is days after the due date, rising; its last step suspends. Steps are taken
in order and no nearer to each other than the schedule has them: a worker that was away
for a month does not remind and suspend on one day.
"""

import datetime as dt
from collections.abc import Sequence


def next_step(
    schedule: Sequence[int],
    *,
    since: dt.date,
    taken: Sequence[dt.date],
    today: dt.date,
) -> int | None:
    """Return the position of the step that is due today; None where none is.

    `since` is the day from which the schedule counts, `taken` the days of the steps
    that were taken, in order; all are days of the tenant's zone.
    """
    position = len(taken)
    if position >= len(schedule):
        return None
    due = since + dt.timedelta(days=schedule[position])
    if taken:
        apart = schedule[position] - schedule[position - 1]
        due = max(due, taken[-1] + dt.timedelta(days=apart))
    return position if today >= due else None
