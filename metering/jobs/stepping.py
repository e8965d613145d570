"""Take steps of jobs: each in one transaction, by one worker, kept or undone whole.

A try is counted before its step, in a transaction of its own, since what ends a worker
would end the next one too. Jobs take turns: a round takes one step of each, so that a
long one holds up no other.

Failure: a worker that is killed loses the step in hand and nothing else. A job that was
cancelled meanwhile keeps nothing of the step. After five tries that were not kept it
fails, and says why.
"""

import datetime as dt

import structlog
from django.db import DatabaseError
from django.db.models import Q

from kit.acting import SYSTEM, Actor, ActorKind, acting_as
from kit.errors import PlatformError
from kit.orm.atomic import atomic, cursor
from metering.jobs.kinds import Step, Stepped, kinds
from metering.jobs.models import Job
from metering.jobs.services import TO_BE_DONE

TRIES_MAX = 5
_PUT_OFF_S = 10
_PROBLEM_CHARS_MAX = 500
State = Job.State

log = structlog.get_logger(__name__)


class _CancelledError(Exception):
    """The job was cancelled while the step was taken: nothing of it is kept."""


def work(*, now: dt.datetime) -> int:
    """Take one step of each job that is due; return how many. Outside a transaction."""
    due = Job.objects.filter(
        Q(not_before=None) | Q(not_before__lte=now),
        state__in=TO_BE_DONE,
        kind__in=tuple(kinds()),
    )
    return sum(
        _work_on(pk, now) for pk in due.order_by("pk").values_list("pk", flat=True)
    )


def _work_on(pk: int, now: dt.datetime) -> bool:
    """Take one step of a job; False where there was none to take."""
    job = _begun(pk, now)
    if job is None:
        return False
    try:
        return _stepped(job, now)
    except _CancelledError:
        log.info("job_cancelled", job=pk, kind=job.kind)
    except PlatformError as refused:
        _fail(pk, refused.message, now)
    except Exception as error:
        log.exception("job_step_failed", job=pk, kind=job.kind, tries=job.tries)
        _put_off(job, error, now)
    return False


def _begun(pk: int, now: dt.datetime) -> Job | None:
    """Count a try; None where another worker has the job in hand, or it has ended."""
    with atomic():
        job = _taken(pk)
        if job is None:
            return None
        if job.tries >= TRIES_MAX:
            problem = job.problem or "The worker was cut off each time."
            _fail(pk, f"Not done after {job.tries} tries. {problem}", now)
            return None
        job.tries += 1
        changes: dict[str, object] = {"tries": job.tries, "state": State.RUNNING}
        if job.state == State.WAITING:
            changes |= {"began_at": now, "began_with": job.done}
        # Cancelled since it was read, it is left as it is.
        still = Job.objects.filter(pk=pk, state__in=TO_BE_DONE).update(**changes)
    return job if still else None


def _stepped(job: Job, now: dt.datetime) -> bool:
    kind = kinds()[job.kind]
    with atomic():
        taken = _taken(job.pk)
        if taken is None:
            return False
        step = Step(job_id=job.pk, asked=taken.asked, place=taken.place, now=now)
        with acting_as(_actor_of(taken)):
            made = kind.step(step)
        _keep(taken, made, now)
    if made.is_finished:
        log.info("job_done", job=job.pk, kind=job.kind, done=made.done)
    return True


def _taken(pk: int) -> Job | None:
    """Take a job for this transaction, without a lock that a cancel would wait for."""
    with cursor() as session:
        session.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"job:{pk}"]
        )
        [(is_ours,)] = session.fetchall()
    if not is_ours:
        return None
    return Job.objects.filter(pk=pk, state__in=TO_BE_DONE).first()


def _keep(job: Job, made: Stepped, now: dt.datetime) -> None:
    """Note how far the step came, unless the job was cancelled meanwhile."""
    changes = {
        "place": made.place,
        "done": made.done,
        "whole": made.done if made.is_finished and made.whole is None else made.whole,
        "outcome": made.outcome,
        "not_before": made.not_before,
        "stepped_at": now,
        "tries": 0,
        "problem": "",
    }
    if made.is_finished:
        changes |= {"state": State.DONE, "finished_at": now}
    running = Job.objects.filter(pk=job.pk, state=State.RUNNING)
    if not running.update(**changes):
        raise _CancelledError


def _put_off(job: Job, error: Exception, now: dt.datetime) -> None:
    """Try a step again later, each time a little later than the last."""
    said = f"{type(error).__name__}: {error}"[:_PROBLEM_CHARS_MAX]
    later = now + dt.timedelta(seconds=_PUT_OFF_S * 2**job.tries)
    try:
        Job.objects.filter(pk=job.pk, state=State.RUNNING).update(
            not_before=later, problem=said
        )
    except DatabaseError:
        # It is what was away: the try is counted already, the next scan goes on.
        log.exception("job_not_put_off", job=job.pk)


def _fail(pk: int, problem: str, now: dt.datetime) -> None:
    log.warning("job_failed", job=pk, problem=problem)
    Job.objects.filter(pk=pk, state__in=TO_BE_DONE).update(
        state=State.FAILED, problem=problem[:_PROBLEM_CHARS_MAX], finished_at=now
    )


def _actor_of(job: Job) -> Actor:
    """Return who asked: what a step writes is told as their doing."""
    kind = ActorKind(job.actor_kind)
    if kind is ActorKind.SYSTEM:
        return SYSTEM
    return Actor(kind=kind, id=job.actor_id)
