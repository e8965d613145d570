"""Hold the books against each other, and keep what was found.

A run is committed before it looks, so that one that died is seen: whoever runs next
marks it as crashed. Failure: a difference is logged as `books_differ`, which is what to
alarm on, and kept; what a run met and did not expect is logged as
`reconciliation_crashed`, kept as the run's problem, and raised. What it found becomes
cases and proofs in the transaction that ends it. Owns: runs and differences.
"""

import datetime as dt
from dataclasses import asdict

import structlog
from django.db.models import Max

from kit.orm.atomic import atomic, cursor
from metering.ledger.models import Transaction
from metering.reconciliation.cases import update_cases
from metering.reconciliation.catalogue import CHECKS
from metering.reconciliation.chain import Step
from metering.reconciliation.checks.check import Scope
from metering.reconciliation.examination import Examination, examine
from metering.reconciliation.models import RUN_TIME_MAX, Difference, Run
from metering.reconciliation.proofs import keep_proofs
from metering.usage.epochs import database_now

WINDOW_DAYS = 35
_PROBLEM_CHARS_MAX = 500

log = structlog.get_logger(__name__)


def reconcile(
    *,
    now: dt.datetime,
    first_date: dt.date | None = None,
    end_date: dt.date | None = None,
    tenant_id: int | None = None,
) -> Run:
    """Hold each step of the chain against the one before, over a window of days.

    The window is half-open and begins 35 days ago unless it is told otherwise. Must run
    outside a transaction.
    """
    usual = usual_start(now=now)
    first = first_date or usual
    run = Run.objects.create(
        kind=Run.Kind.RECONCILE,
        first_date=first,
        end_date=end_date,
        tenant_id=tenant_id,
        is_whole=first <= usual and tenant_id is None and end_date is None,
        started_at=now,
    )
    return carry_out(run)


def usual_start(*, now: dt.datetime) -> dt.date:
    """Return the first billing day of the usual window."""
    return now.astimezone(dt.UTC).date() - dt.timedelta(days=WINDOW_DAYS)


def verify_ledger(*, now: dt.datetime) -> Run:
    """Hold every invariant of the books over all time; outside a transaction."""
    return carry_out(new_run(Run.Kind.VERIFY_LEDGER, now=now))


def new_run(
    kind: Run.Kind, *, now: dt.datetime, state: Run.State = Run.State.RUNNING
) -> Run:
    """Write down a run that covers all that a nightly one of its kind does."""
    is_windowed = kind == Run.Kind.RECONCILE
    return Run.objects.create(
        kind=kind,
        first_date=usual_start(now=now) if is_windowed else None,
        is_whole=True,
        state=state,
        started_at=now,
    )


def take_turn() -> None:
    """Wait until no other transaction writes down a run that was asked for."""
    with cursor() as session:
        session.execute("SELECT pg_advisory_xact_lock(hashtext('reconciliation_run'))")


def mark_crashed(*, now: dt.datetime) -> int:
    """Mark the runs that can no longer be at work; return how many."""
    return Run.objects.filter(
        state=Run.State.RUNNING, started_at__lt=now - RUN_TIME_MAX
    ).update(state=Run.State.CRASHED, problem="It never came to its end.")


def carry_out(run: Run) -> Run:
    """Make the checks of a run that is written down; outside a transaction."""
    mark_crashed(now=run.started_at)
    kind = Run.Kind(run.kind)
    scope = Scope(run.tenant_id, run.first_date, run.end_date)
    run.ledger_seen = Transaction.objects.aggregate(last=Max("id"))["last"] or 0
    try:
        made = examine(CHECKS[kind], scope)
    except Exception as error:
        log.exception("reconciliation_crashed", run=run.pk, kind=str(kind))
        run.problem = f"{type(error).__name__}: {error}"[:_PROBLEM_CHARS_MAX]
        _end(run, Run.State.CRASHED)
        raise
    _keep(run, made)
    _report(run, made)
    return run


def _keep(run: Run, made: Examination) -> None:
    run.rows_seen = made.rows
    run.difference_count = made.differences
    run.checks = [
        {"name": check.name, "rows": finding.rows, "differences": finding.differences}
        for check, finding in made.findings
    ]
    run.steps = [_stored(step) for step in made.steps]
    run.tokens = [
        asdict(step) for _, finding in made.findings for step in finding.tokens
    ]
    with atomic():
        Difference.objects.bulk_create(
            Difference(
                run=run,
                check_name=check.name,
                tenant_id=each.tenant_id,
                subject=each.subject,
                expected=each.expected,
                found=each.found,
            )
            for check, finding in made.findings
            for each in finding.listed
        )
        update_cases(run, made.findings, now=database_now())
        keep_proofs(run, made.proofs)
        _end(run, Run.State.DIFFERS if made.differences else Run.State.AGREES)


def _end(run: Run, state: Run.State) -> None:
    run.state = state
    run.finished_at = database_now()
    run.save()


def _stored(step: Step) -> dict[str, object]:
    """Return a step for JSON, whose readers may take numbers for floats."""
    return {
        name: str(value) if name.endswith("_picos") else value
        for name, value in asdict(step).items()
    }


def _report(run: Run, made: Examination) -> None:
    if not made.differences:
        log.info("books_agree", run=run.pk, kind=run.kind, rows=made.rows)
        return
    log.error(
        "books_differ",
        run=run.pk,
        kind=run.kind,
        differences=made.differences,
        checks=", ".join(
            f"{check.name} ({finding.differences})"
            for check, finding in made.findings
            if finding.differences
        ),
    )
