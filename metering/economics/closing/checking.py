"""The job that brings a month's evidence up to date: its margins, then all checks.

A step works out one day; the last ones ask for a run of the checks, which a worker
makes in its own time, and wait until it has ended.

Failure: killed anywhere it goes on after the last day. A run that was cut off is asked
for again.
"""

import datetime as dt

from metering.economics.closing.services import CHECK_MONTH, SIGN
from metering.economics.working import work_out
from metering.jobs.kinds import Kind, Step, Stepped, register
from metering.ledger.months import month_after
from metering.reconciliation.asking import ask_for_run
from metering.reconciliation.models import RUN_TIME_MAX, Run

_LOOKED_AGAIN_IN = dt.timedelta(seconds=10)
_UNDER_WAY = (Run.State.ASKED, Run.State.RUNNING)


def register_kind() -> None:
    """Let months be checked by a job."""
    register(
        Kind(
            name=CHECK_MONTH,
            label="Check of a month",
            unit="days",
            step=_step,
            cancelling="Days that were worked out stay so.",
            right=SIGN,
        )
    )


def _step(step: Step) -> Stepped:
    month = dt.date.fromisoformat(f"{step.asked['month']}-01")
    days = (month_after(month) - month).days
    done = int(step.place.get("days", 0))
    if done < days:
        work_out(date=month + dt.timedelta(days=done), now=step.now)
        return Stepped(done=done + 1, whole=days, place={"days": done + 1})
    asked = step.place.get("run")
    run = (
        Run.objects.filter(pk=asked).first()
        if asked
        else ask_for_run(kind=Run.Kind.VERIFY_LEDGER, now=step.now)
    )
    if run is not None and run.state in _UNDER_WAY and _is_cut_off(run, step.now):
        # Nobody makes it any more: another one is asked for.
        run = ask_for_run(kind=Run.Kind.VERIFY_LEDGER, now=step.now)
    place = {"days": days, "run": run.pk if run else None}
    if run is not None and run.state in _UNDER_WAY:
        return Stepped(
            done=days,
            whole=days,
            place=place,
            not_before=step.now + _LOOKED_AGAIN_IN,
            outcome={"run": run.pk, "checks": "waiting for the run"},
        )
    outcome = (
        {"run": run.pk, "checks": str(run.state), "differences": run.difference_count}
        if run
        else {}
    )
    return Stepped(
        done=days, whole=days, place=place, is_finished=True, outcome=outcome
    )


def _is_cut_off(run: Run, now: dt.datetime) -> bool:
    return now - run.started_at >= RUN_TIME_MAX
