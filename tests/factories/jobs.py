"""Jobs for tests, done as the worker does them."""

import datetime as dt

from metering.jobs.stepping import work


def finish_jobs(*, now: dt.datetime) -> None:
    """Take steps of all jobs until none is due."""
    while work(now=now):
        pass
