"""Let no test begin in the last seconds of a day.

Many tests ask the product of today, and say themselves what today is: both must mean
one day, month and year, of UTC, however slow the machine is. A test whose subject is
the turn of a day gives the product its instants instead of waiting for one.

Failure: none; at most one wait of `LAST_S` in a process and a day.
"""

import datetime as dt

DAY = dt.timedelta(days=1)
LAST_S = 30.0


def seconds_to_wait(now: dt.datetime) -> float:
    """Return how long to wait until a test may begin: nothing, but for a day's end."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    left_s = (midnight - now).total_seconds()
    return left_s if left_s < LAST_S else 0.0
