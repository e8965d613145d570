"""Old windows and leases left behind go, and nothing else does."""

import datetime as dt

import pytest
from django.db import connections

from kit.orm.roles import as_operator
from metering.budgets import tidying
from metering.budgets.models import Lease, Window
from metering.budgets.tasks import tidy_up
from metering.budgets.tidying import KEPT, Tidied, tidy
from metering.usage.models import Epoch
from metering.usage.selectors import database_now
from tests.databases import Database
from tests.factories.usage import make_epoch

DAY = dt.timedelta(days=1)


def make_window(holder_id: int, *, ended: dt.datetime) -> int:
    """Put a window there."""
    row = Window.objects.using("owner").create(
        tenant_id=1,
        level="api_key",
        holder_id=holder_id,
        kind="quota",
        unit="tokens",
        window="day",
        starts_at=ended - DAY,
        ends_at=ended,
    )
    return row.pk


def make_lease(window_id: int, epoch: Epoch) -> None:
    """Put a lease there, whatever its epoch is."""
    Lease.objects.using("owner").create(
        window_id=window_id, epoch_id=epoch.pk, tenant_id=1, amount=7
    )


def test_old_windows_and_leases_left_behind_go(
    fresh_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "BATCH_ROWS", 2)
    with as_operator():
        now = database_now()
        closed = make_epoch(started_at=now, state="closed")
        running = make_epoch(started_at=now)
        old = [make_window(n, ended=now - KEPT - DAY) for n in range(5)]
        young = [make_window(n, ended=now - KEPT + DAY) for n in range(3)]
        for window in (old[0], *young):
            make_lease(window, closed)
        make_lease(young[0], running)
        make_lease(old[4], running)

        assert tidy(now=now) == Tidied(leases=4, windows=4)

        assert set(Window.objects.values_list("pk", flat=True)) == {old[4], *young}
        assert set(Lease.objects.values_list("window_id", "epoch_id")) == {
            (young[0], running.pk),
            (old[4], running.pk),
        }
        tidy_up()
        assert tidy(now=now) == Tidied(leases=0, windows=0)
    connections.close_all()


def test_one_run_is_bounded(
    fresh_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tidying, "BATCH_ROWS", 2)
    monkeypatch.setattr(tidying, "BATCHES_MAX", 2)
    with as_operator():
        now = database_now()
        for number in range(5):
            make_window(number, ended=now - KEPT - DAY)
        assert tidy(now=now).windows == 4
        assert tidy(now=now).windows == 1
    connections.close_all()
