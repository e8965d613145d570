"""The month that a page's own clock is in, for pages that ask for no time."""

import datetime as dt

from django.utils import timezone


def this_month() -> tuple[dt.date, dt.datetime]:
    """Return the first day of the running month, and now."""
    now = timezone.now()
    return now.date().replace(day=1), now
