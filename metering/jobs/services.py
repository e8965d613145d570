"""Writes of jobs by people: ask for one, cancel it, resume one that failed.

Failure: of two who ask for the same at once, both get the one job. A cancel is kept at
once, whatever step is in hand: that step is undone. Owns: jobs, with `stepping`.
"""

import datetime as dt

from celery import current_app
from django.db import transaction

from kit.acting import current
from kit.errors import Conflict, InvalidRequest
from kit.json_values import JsonObject
from kit.orm.atomic import atomic, cursor
from kit.orm.audited import tell
from kit.orm.roles import current_alias
from kit.orm.saving import create
from metering.jobs.kinds import kinds
from metering.jobs.models import Job

TASK = "jobs.work"
State = Job.State
TO_BE_DONE = (State.WAITING, State.RUNNING)


def ask(
    *,
    kind: str,
    subject: str,
    title: str,
    asked: JsonObject | None = None,
    tenant_id: int | None = None,
    whole: int | None = None,
) -> Job:
    """Ask for a job; return it, or the one of this kind and subject under way.

    Raises `Conflict` where the one under way was asked for otherwise.
    """
    if kind not in kinds():
        raise InvalidRequest(f"There is no kind of job '{kind}'.", param="kind")
    actor = current()
    with atomic():
        _take_turn(kind, subject)
        same = Job.objects.filter(kind=kind, subject=subject, state__in=TO_BE_DONE)
        known = same.first()
        if known is not None:
            if known.asked != (asked or {}):
                raise Conflict(f"{known.title} is under way: wait until it has ended.")
            return known
        row = Job(
            kind=kind,
            subject=subject,
            title=title,
            tenant_id=tenant_id,
            asked=asked or {},
            whole=whole,
            actor_kind=actor.kind,
            actor_id=actor.id,
        )
        create(row, action="ask")
        row.refresh_from_db()
        _call_worker()
    return row


def cancel(*, job: Job, now: dt.datetime) -> Job:
    """Take no more steps of a job; what earlier ones did stays.

    Raises `Conflict` for a job that has ended or that cannot be left half done.
    """
    kind = kinds().get(job.kind)
    if kind is None or not kind.cancelling:
        raise Conflict("A job of this kind cannot be left half done.")
    return _turn_to(
        job,
        (*TO_BE_DONE, State.FAILED),
        action="cancel",
        state=State.CANCELLED,
        finished_at=now,
    )


def resume(*, job: Job, now: dt.datetime) -> Job:
    """Let a job that failed go on after its last step.

    Raises `Conflict` for one that did not fail, or while another is under way.
    """
    with atomic():
        _take_turn(job.kind, job.subject)
        same = Job.objects.filter(
            kind=job.kind, subject=job.subject, state__in=TO_BE_DONE
        )
        if same.exists():
            raise Conflict("Another job of the same subject is under way.")
        resumed = _turn_to(
            job,
            (State.FAILED,),
            action="resume",
            state=State.WAITING,
            finished_at=None,
            not_before=None,
            tries=0,
            problem="",
        )
        _call_worker()
    return resumed


def _turn_to(
    job: Job, states: tuple[State, ...], *, action: str, **changes: object
) -> Job:
    with atomic():
        before = Job.objects.get(pk=job.pk)
        turned = Job.objects.filter(pk=job.pk, state__in=states).update(**changes)
        if not turned:
            before.refresh_from_db()
            raise Conflict(f"{before.title} is {before.state}: it cannot be any more.")
        tell(
            job,
            action=action,
            before={name: getattr(before, name) for name in changes},
            after=changes,
        )
    return Job.objects.get(pk=job.pk)


def _take_turn(kind: str, subject: str) -> None:
    """Wait until nobody else asks for the same."""
    with cursor() as session:
        session.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"job:{kind}:{subject}"],
        )


def _call_worker() -> None:
    # Robust: a broker that is away is made up for by the next scan.
    transaction.on_commit(_send, using=current_alias(), robust=True)


def _send() -> None:
    current_app.send_task(TASK, retry=False)
