"""Jobs are done in steps, once each, whatever comes in between."""

import datetime as dt
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction

from kit.acting import Actor, ActorKind, acting_as, current
from kit.errors import Conflict, InvalidRequest
from kit.orm.roles import OPERATOR, as_operator
from metering.jobs import selectors, services, stepping
from metering.jobs.kinds import Step
from metering.jobs.models import Job
from metering.jobs.stepping import TRIES_MAX, work
from tests.concurrency import as_another_operator
from tests.databases import Database
from tests.metering.jobs.kind import NAME, NOW, Adding, adding, ask

State = Job.State
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def added(operator_db: None) -> Iterator[Adding]:
    """Provide the kind of job that adds up."""
    with adding() as made:
        yield made


def seen(job: Job) -> Job:
    """Return a job as it is now."""
    return Job.objects.get(pk=job.pk)


def fail_with(error: Exception) -> None:
    raise error


def elsewhere(write: Callable[[], object]) -> None:
    """Write on a connection of another worker, in the midst of what goes on here."""
    with ThreadPoolExecutor(1) as threads:
        refused = threads.submit(as_another_operator, write).result()
    if refused is not None:
        raise refused


def test_a_job_is_done_step_by_step(added: Adding) -> None:
    job = ask(to=3)
    assert (job.state, job.done, job.whole) == (State.WAITING, 0, None)
    assert work(now=NOW) == 1
    assert (seen(job).state, seen(job).done) == (State.RUNNING, 1)
    assert work(now=NOW + SECOND) == 1
    assert work(now=NOW + 2 * SECOND) == 1
    ended = seen(job)
    assert (ended.state, ended.finished_at) == (State.DONE, NOW + 2 * SECOND)
    assert ended.outcome == {"total": 6}
    assert work(now=NOW) == 0
    assert added.steps == [1, 2, 3]


def test_jobs_take_turns(added: Adding) -> None:
    one, other = ask(to=9), ask(to=1, subject="2")
    assert work(now=NOW) == 2
    assert (seen(one).done, seen(other).state) == (1, State.DONE)


def test_asking_twice_is_asking_once(added: Adding) -> None:
    job = ask(to=3)
    assert ask(to=3).pk == job.pk
    with pytest.raises(Conflict, match="under way"):
        ask(to=4)
    services.cancel(job=job, now=NOW)
    assert ask(to=4).pk != job.pk


def test_a_kind_that_nobody_knows_is_refused(added: Adding) -> None:
    with pytest.raises(InvalidRequest, match="no kind"):
        services.ask(kind="tests.nothing", subject="1", title="?")


def test_what_a_step_refuses_ends_it_until_it_is_resumed(added: Adding) -> None:
    job = ask(to=2)
    work(now=NOW)
    added.meet = lambda step: fail_with(Conflict("Sign the note first."))
    work(now=NOW)
    failed = seen(job)
    assert (failed.state, failed.problem) == (State.FAILED, "Sign the note first.")
    assert work(now=NOW) == 0
    added.meet = lambda step: None
    services.resume(job=failed, now=NOW)
    work(now=NOW)
    assert (seen(job).state, seen(job).problem) == (State.DONE, "")
    assert added.steps == [1, 2]


def test_a_bug_is_tried_later_and_later_then_given_up(added: Adding) -> None:
    job, now = ask(), NOW
    added.meet = lambda step: fail_with(ZeroDivisionError("by nothing"))
    waits = []
    for _ in range(TRIES_MAX):
        work(now=now)
        put_off = seen(job)
        assert (put_off.state, put_off.done) == (State.RUNNING, 0)
        assert "by nothing" in put_off.problem
        assert put_off.not_before is not None
        assert work(now=put_off.not_before - SECOND) == 0
        waits.append(put_off.not_before - now)
        now = put_off.not_before
    assert waits == sorted(set(waits))
    work(now=now)
    assert seen(job).state == State.FAILED
    assert "5 tries" in seen(job).problem
    assert "by nothing" in seen(job).problem


def test_what_a_failed_step_wrote_is_undone(added: Adding) -> None:
    job = ask()

    def write_and_fail(step: Step) -> None:
        Job.objects.filter(pk=step.job_id).update(title="half done")
        raise DatabaseError("gone")

    added.meet = write_and_fail
    work(now=NOW)
    assert seen(job).title == job.title


def test_a_job_that_fails_holds_up_no_other(added: Adding) -> None:
    job, other = ask(), ask(to=1, subject="2")
    added.meet = lambda step: fail_with(OSError()) if step.job_id == job.pk else None
    assert work(now=NOW) == 1
    assert seen(other).state == State.DONE


def test_steps_are_the_doing_of_who_asked(added: Adding) -> None:
    actors = []
    added.meet = lambda step: actors.append(current())
    with acting_as(Actor(ActorKind.OPERATOR, 7)):
        ask(to=1)
    work(now=NOW)
    assert [(each.kind, each.id) for each in actors] == [(ActorKind.OPERATOR, 7)]


def test_a_cancelled_job_takes_no_more_steps(added: Adding) -> None:
    job = ask(to=3)
    work(now=NOW)
    services.cancel(job=job, now=NOW)
    assert work(now=NOW) == 0
    assert (seen(job).state, seen(job).done) == (State.CANCELLED, 1)
    with pytest.raises(Conflict, match="cancelled"):
        services.resume(job=job, now=NOW)
    with pytest.raises(Conflict, match="cancelled"):
        services.cancel(job=job, now=NOW)


def test_a_cancel_between_look_and_note_holds_up_no_other(
    added: Adding, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, other = ask(), ask(to=1, subject="2")
    look = stepping._taken

    def cancelled_meanwhile(pk: int) -> Job | None:
        found = look(pk)
        if pk == job.pk:
            services.cancel(job=job, now=NOW)
        return found

    monkeypatch.setattr(stepping, "_taken", cancelled_meanwhile)
    assert work(now=NOW) == 1
    assert (seen(job).state, seen(job).tries) == (State.CANCELLED, 0)
    assert seen(other).state == State.DONE


def test_what_cannot_be_left_half_done_is_not_cancelled(operator_db: None) -> None:
    with adding(cancelling=""):
        job = ask()
        with pytest.raises(Conflict, match="half done"):
            services.cancel(job=job, now=NOW)


def test_a_step_may_put_the_next_one_off(added: Adding) -> None:
    job, added.wait = ask(to=2), 60 * SECOND
    work(now=NOW)
    assert work(now=NOW + 59 * SECOND) == 0
    assert work(now=NOW + 60 * SECOND) == 1
    assert seen(job).state == State.DONE
    assert selectors.latest(kind=NAME, subject="1") == job


def test_how_long_it_takes_is_told_from_this_run(added: Adding) -> None:
    job = ask(to=10)
    for number in range(4):
        work(now=NOW + 10 * number * SECOND)
    found = selectors.progress(seen(job))
    assert (found.done, found.whole, found.percent) == (4, 10, 40)
    assert found.left == 45 * SECOND


def test_nothing_is_foretold_too_early(added: Adding) -> None:
    job = ask(to=10)
    work(now=NOW)
    assert selectors.progress(seen(job)).left is None


def test_no_two_jobs_of_one_subject_go_on_at_once(added: Adding) -> None:
    ask(to=3)
    row = Job(kind=NAME, subject="1", title="?", actor_kind="system")
    with pytest.raises(IntegrityError), transaction.atomic(using=OPERATOR):
        row.save()


def test_one_worker_has_a_job_in_hand(fresh_database: Database) -> None:
    with as_operator(), adding() as added:
        job = ask(to=2)
        taken: list[int] = []
        added.meet = lambda step: elsewhere(lambda: taken.append(work(now=NOW)))
        assert work(now=NOW) == 1
        assert taken == [0]
        assert (seen(job).done, seen(job).tries) == (1, 0)
    connections.close_all()


def test_a_cancel_from_elsewhere_undoes_the_step(fresh_database: Database) -> None:
    with as_operator(), adding() as added:
        job = ask(to=2)
        added.meet = lambda step: elsewhere(
            lambda: services.cancel(job=seen(job), now=NOW)
        )
        assert work(now=NOW) == 0
        assert (seen(job).state, seen(job).done) == (State.CANCELLED, 0)
        assert seen(job).place == {}
    connections.close_all()
