"""Reads of reconciliation: runs, what they found, cases, proofs, how books stand."""

import datetime as dt
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from kit.errors import NotFound
from metering.reconciliation.catalogue import ALL
from metering.reconciliation.models import (
    RUN_TIME_MAX,
    Case,
    Difference,
    EngineProcess,
    Run,
)
from metering.usage.models import Epoch

# Runs are nightly: one that is missing is noticed before the next one is due.
AGE_MAX = dt.timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class Standing:
    """How the books stand by the last whole run of each kind.

    `checked_at` is the earlier of the two, None until both were made. `problem` says
    what keeps the answer from being trusted, if anything does. `cases` are those that
    are open, and `unowned` of them those that nobody looks after.
    """

    checked_at: dt.datetime | None
    differences: int
    problem: str
    run: Run | None
    cases: int
    unowned: int


def runs(*, kind: str | None = None, state: str | None = None) -> QuerySet[Run]:
    """Return runs, the latest first."""
    found = Run.objects.order_by("-id")
    if kind is not None:
        found = found.filter(kind=kind)
    if state is not None:
        found = found.filter(state=state)
    return found


def run(run_id: int) -> Run:
    """Return one run; raises `NotFound`."""
    found = Run.objects.filter(pk=run_id).first()
    if found is None:
        raise NotFound(f"There is no reconciliation run {run_id}.")
    return found


def differences(of: Run, *, check: str | None = None) -> QuerySet[Difference]:
    """Return what a run listed, the latest first, of one check or of all."""
    found = of.differences.order_by("-id")
    return found if check is None else found.filter(check_name=check)


def cases(
    *,
    state: str | None = None,
    check: str | None = None,
    owned: bool | None = None,
    owner: int | None = None,
) -> QuerySet[Case]:
    """Return cases, the latest opened first."""
    found = Case.objects.select_related("owner").order_by("-id")
    if state is not None:
        found = found.filter(state=state)
    if check is not None:
        found = found.filter(check_name=check)
    if owned is not None:
        found = found.filter(owner__isnull=not owned)
    if owner is not None:
        found = found.filter(owner=owner)
    return found


def case(case_id: int) -> Case:
    """Return one case; raises `NotFound`."""
    found = cases().filter(pk=case_id).first()
    if found is None:
        raise NotFound(f"There is no reconciliation case {case_id}.")
    return found


def proven_epochs(
    *, gateway: str | None = None, run: int | None = None, complete: bool | None = None
) -> QuerySet[Epoch]:
    """Return the epochs that runs have looked at, with their proofs, latest first."""
    found = Epoch.objects.filter(proof__isnull=False).select_related("proof")
    if gateway is not None:
        found = found.filter(gateway=gateway)
    if run is not None:
        found = found.filter(proof__run=run)
    if complete is not None:
        whole = Q(
            proof__is_numbered=True, proof__is_settled=True, proof__is_counted=True
        )
        found = found.filter(whole if complete else ~whole)
    return found.order_by("-id")


def engine_processes(*, replica: int | None = None) -> QuerySet[EngineProcess]:
    """Return the processes of engines, the latest first."""
    found = EngineProcess.objects.order_by("-id")
    if replica is not None:
        found = found.filter(replica_ids__contains=[replica])
    return found


def operator_of(user_id: int) -> User:
    """Return the account of an operator; raises `NotFound` for anybody else."""
    found = User.objects.filter(pk=user_id, is_staff=True, is_active=True).first()
    if found is None:
        raise NotFound(f"There is no operator {user_id}.")
    return found


def proves(check_name: str) -> str:
    """Return what a check proves; a check that is no more proves nothing."""
    return ALL[check_name].proves if check_name in ALL else ""


def is_lost(run: Run, *, now: dt.datetime) -> bool:
    """Tell whether a run is called running and cannot be any more."""
    return run.state == Run.State.RUNNING and now - run.started_at > RUN_TIME_MAX


def standing(*, now: dt.datetime) -> Standing:
    """Return how the books stand; asks the newest whole run of each kind."""
    ended = last_whole_runs()
    checked = [run.started_at for run in ended]
    is_complete = len(ended) == len(Run.Kind)
    problem = _lost_run(now)
    if not problem and checked and not is_complete:
        problem = "not all nightly checks were made"
    if not problem and checked and now - min(checked) > AGE_MAX:
        problem = "the nightly check is overdue"
    return Standing(
        checked_at=min(checked) if is_complete else None,
        differences=_differing(ended),
        problem=problem,
        run=max(ended, key=lambda run: run.difference_count, default=None),
        cases=cases(state=Case.State.OPEN).count(),
        unowned=cases(state=Case.State.OPEN, owned=False).count(),
    )


def last_whole_runs() -> list[Run]:
    """Return the newest whole run of each kind that came to its end."""
    return [run for run in map(_last_ended, Run.Kind) if run is not None]


def _last_ended(kind: Run.Kind) -> Run | None:
    done = (Run.State.AGREES, Run.State.DIFFERS)
    return runs(kind=kind).filter(is_whole=True, state__in=done).first()


def _differing(ended: list[Run]) -> int:
    """Count differences once: both kinds of run make most of the checks."""
    counts: dict[str, int] = {}
    for each in ended:
        for check in each.checks:
            before = counts.get(check["name"], 0)
            counts[check["name"]] = max(before, check["differences"])
    return sum(counts.values())


def _lost_run(now: dt.datetime) -> str:
    """Say whether the newest whole run of either kind crashed."""
    for kind in Run.Kind:
        last = runs(kind=kind).filter(is_whole=True).first()
        if last and (last.state == Run.State.CRASHED or is_lost(last, now=now)):
            return f"the last check ({last}) crashed"
    return ""
