"""Ask for a run now: a worker makes it within a minute, in its own time.

The wish is a run that nobody has begun with, so it outlasts the broker; who asks while
one waits or is under way gets that one. Failure: without a worker the run stays asked
for, and says so.
"""

import datetime as dt

import structlog
from celery import current_app
from django.db import transaction

from kit.orm.atomic import atomic
from kit.orm.roles import current_alias
from metering.reconciliation import services
from metering.reconciliation.models import RUN_TIME_MAX, Run

TASK = "reconciliation.make_asked"

log = structlog.get_logger(__name__)


def ask_for_run(*, kind: Run.Kind, now: dt.datetime) -> Run:
    """Ask for a whole run of a kind; return the run, its own or the one that waits."""
    with atomic():
        services.take_turn()
        waiting = Run.objects.filter(
            kind=kind,
            is_whole=True,
            state__in=(Run.State.ASKED, Run.State.RUNNING),
            started_at__gt=now - RUN_TIME_MAX,
        ).first()
        if waiting is not None:
            return waiting
        run = services.new_run(kind, now=now, state=Run.State.ASKED)
        # Robust: a broker that is away is made up for by the next scan.
        transaction.on_commit(_ask_worker, using=current_alias(), robust=True)
    return run


def make_asked(*, now: dt.datetime) -> int:
    """Make the runs that were asked for; return how many. Outside a transaction.

    Of two workers that come at once, one makes a run. One that crashed is its own
    record, and keeps nobody else's from being made.
    """
    made = 0
    for run in Run.objects.filter(state=Run.State.ASKED).order_by("id"):
        begun = Run.objects.filter(pk=run.pk, state=Run.State.ASKED).update(
            state=Run.State.RUNNING, started_at=now
        )
        if not begun:
            continue
        made += 1
        run.refresh_from_db()
        try:
            services.carry_out(run)
        except Exception:
            log.exception("asked_run_crashed", run=run.pk)
    return made


def _ask_worker() -> None:
    current_app.send_task(TASK, retry=False)
