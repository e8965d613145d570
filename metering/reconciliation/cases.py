"""Cases: the same difference from run to run, until it is gone or explained.

A run opens a case for each difference that it lists and that has none, and refreshes
those that have. A whole run resolves what its checks no longer find; one that was
narrowed looked at too little for that. An explanation covers as much as was found then:
when that grows by a factor the case is open again. What concerns the runs themselves,
one that crashed or was not made, is a case too.

Failure: two runs at once leave the cases as the later of them says. Owns: cases.
"""

import datetime as dt
import re
from collections.abc import Iterable

from django.db.models import QuerySet

from kit.orm.atomic import atomic, cursor
from metering.reconciliation.checks.check import Check, Finding, Found
from metering.reconciliation.models import Case, Run
from metering.reconciliation.selectors import AGE_MAX, is_lost

GROWTH_FACTOR = 2
RUNS_MADE = "runs_made"
_MORE = "all beyond those that are listed"
_NUMBER = re.compile(r"-?\d+")

# One after the other: of two at once each would make the same case.
_IN_TURN = "SELECT pg_advisory_xact_lock(hashtext('reconciliation_case'))"


def has_grown(amount: int, since: int) -> bool:
    """Tell whether an amount is so much larger that it is told of again."""
    return amount > max(since, 0) * GROWTH_FACTOR and amount > since


def update_cases(
    run: Run, findings: Iterable[tuple[Check, Finding]], *, now: dt.datetime
) -> None:
    """Take over what a run found; in its transaction."""
    made = list(findings)
    with atomic():
        _take_turn()
        for check, finding in made:
            listed = list(finding.listed)
            missing = finding.differences - len(listed)
            if missing:
                counted = f"{missing} differences"
                listed.append(Found(None, _MORE, "none", counted, amount=missing))
            seen = _see(check.name, listed, run=run, now=now)
            if run.is_whole and not missing:
                _resolve(_unresolved(check.name).exclude(pk__in=seen), now=now)


def watch_runs(*, now: dt.datetime) -> None:
    """Open a case where a kind's last run crashed or is overdue, and resolve it again.

    Before the first run of a kind there is nothing that could be overdue.
    """
    with atomic():
        _take_turn()
        for kind in Run.Kind:
            run = Run.objects.filter(kind=kind, is_whole=True).order_by("-id").first()
            wrong = None if run is None else _wrong_with(run, now=now)
            seen = []
            if run is not None and wrong is not None:
                seen = _see(RUNS_MADE, [wrong], run=run, now=now)
            stale = _unresolved(RUNS_MADE).filter(subject=str(kind))
            _resolve(stale.exclude(pk__in=seen), now=now)


def _wrong_with(run: Run, *, now: dt.datetime) -> Found | None:
    subject, expected = str(run.kind), "a run each night that comes to its end"
    if run.state == Run.State.CRASHED or is_lost(run, now=now):
        why = run.problem or "it never came to its end"
        return Found(None, subject, expected, f"run {run.pk} crashed: {why}")
    if now - run.started_at > AGE_MAX:
        return Found(
            None, subject, expected, f"none since {run.started_at:%Y-%m-%d %H:%M} UTC"
        )
    return None


def _take_turn() -> None:
    with cursor() as session:
        session.execute(_IN_TURN)


def _see(
    check_name: str, listed: Iterable[Found], *, run: Run, now: dt.datetime
) -> list[int]:
    """Open or refresh the cases of one check; return their ids."""
    return [_seen(check_name, each, run=run, now=now) for each in listed]


def _seen(check_name: str, found: Found, *, run: Run, now: dt.datetime) -> int:
    row = Case.objects.filter(
        check_name=check_name, tenant_id=found.tenant_id, subject=found.subject
    ).first()
    if row is None:
        row = Case(
            check_name=check_name,
            tenant_id=found.tenant_id,
            subject=found.subject,
            first_seen_at=now,
        )
    elif row.state == Case.State.RESOLVED:
        # It is back: whoever looked after it then hears of it anew.
        row.state, row.resolved_at = Case.State.OPEN, None
        row.told_at, row.told_amount = None, 0
    row.expected, row.found = found.expected, found.found
    row.amount = found.amount or apart(found.expected, found.found)
    row.last_seen_at, row.run = now, run
    if row.state == Case.State.EXPLAINED and has_grown(
        row.amount, row.explained_amount
    ):
        row.state = Case.State.OPEN
    row.save()
    return row.pk


def apart(expected: str, found: str) -> int:
    """Return how far apart two records are that begin with a number, else zero."""
    numbers = [_NUMBER.match(each.replace(",", "")) for each in (expected, found)]
    if not all(numbers):
        return 0
    first, second = (int(each.group()) for each in numbers if each is not None)
    return min(abs(first - second), 2**63 - 1)


def _unresolved(check_name: str) -> QuerySet[Case]:
    rows = Case.objects.filter(check_name=check_name)
    return rows.exclude(state=Case.State.RESOLVED)


def _resolve(rows: QuerySet[Case], *, now: dt.datetime) -> None:
    rows.update(state=Case.State.RESOLVED, resolved_at=now)
