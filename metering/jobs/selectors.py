"""Reads of jobs: which there are, and how far one is."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import QuerySet

from kit.errors import NotFound
from metering.jobs.kinds import kinds
from metering.jobs.models import Job

_WHOLE_PERCENT = 100
# Nothing is foretold from less than this.
_TOLD_AFTER = dt.timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    `percent` is None while nobody can say how much there is, `left` while nobody can
    say for how long it goes on at the pace of this run.
    """

    done: int
    whole: int | None
    unit: str
    percent: int | None
    left: dt.timedelta | None


def jobs(*, kind: str | None = None, subject: str | None = None) -> QuerySet[Job]:
    """Return jobs, the latest first."""
    rows = Job.objects.order_by("-id")
    if kind is not None:
        rows = rows.filter(kind=kind)
    if subject is not None:
        rows = rows.filter(subject=subject)
    return rows


def job(job_id: int) -> Job:
    """Return one job; raises `NotFound`."""
    row = Job.objects.filter(pk=job_id).first()
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    return row


def latest(*, kind: str, subject: str) -> Job | None:
    """Return the last job of a kind and subject that was asked for."""
    return jobs(kind=kind, subject=subject).first()


def progress(row: Job) -> Progress:
    """Return how far a job is, as of its last step."""
    kind = kinds().get(row.kind)
    percent = None
    if row.whole:
        # Rounded down: what is not all done is never called whole.
        percent = min(row.done, row.whole) * _WHOLE_PERCENT // row.whole
    elif row.state == Job.State.DONE:
        percent = _WHOLE_PERCENT
    return Progress(
        done=row.done,
        whole=row.whole,
        unit=kind.unit if kind else "",
        percent=percent,
        left=_left(row),
    )


def _left(row: Job) -> dt.timedelta | None:
    if row.state != Job.State.RUNNING or not row.whole:
        return None
    if row.began_at is None or row.stepped_at is None:
        return None
    took, made = row.stepped_at - row.began_at, row.done - row.began_with
    if made <= 0 or took < _TOLD_AFTER:
        return None
    return took * max(0, row.whole - row.done) / made
