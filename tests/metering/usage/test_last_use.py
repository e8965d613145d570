"""The last use of a key: kept up by the roller, in whatever order epochs come."""

import datetime as dt
import threading
from dataclasses import replace

import pytest
from django.db import connections

from kit.orm.atomic import atomic
from kit.orm.roles import OPERATOR, as_operator
from metering.usage.services import roll_up
from tenants import activity, services
from tenants.models import ApiKey, KeyUse
from tests.factories.pricing import make_book, make_price
from tests.factories.usage import Use, commit, make_epoch, make_use, undoing

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
LATER = NOON + dt.timedelta(minutes=5)


@pytest.fixture
def use(operator_db: None) -> Use:
    return make_use(price=make_price(model="small"), admitted_at=NOON)


def last_use(use: Use) -> tuple[dt.datetime, str] | None:
    """Return when a key was last used, and for what."""
    row = KeyUse.objects.filter(api_key_id=use.api_key_id).first()
    return (row.last_used_at, row.model) if row else None


def test_the_latest_request_of_a_batch_is_the_last_use(use: Use) -> None:
    other = replace(use, price=make_price(model="large", book=make_book()))
    late = replace(other, admitted_at=LATER)
    commit(make_epoch(started_at=NOON), use, late, use)
    assert last_use(use) is None
    roll_up()
    assert last_use(use) == (LATER, "large")
    assert KeyUse.objects.get().tenant_id == use.tenant_id


def test_each_key_has_its_own(use: Use) -> None:
    other = make_use(price=use.price, admitted_at=LATER)
    commit(make_epoch(started_at=NOON), use, other)
    roll_up()
    assert last_use(use) == (NOON, "small")
    assert last_use(other) == (LATER, "small")


def test_an_epoch_that_comes_late_takes_nothing_back(use: Use) -> None:
    commit(make_epoch(started_at=NOON), replace(use, admitted_at=LATER))
    roll_up()
    commit(make_epoch(started_at=NOON), use)
    roll_up()
    assert last_use(use) == (LATER, "small")


def test_a_correction_is_no_use_of_its_own_time(use: Use) -> None:
    epoch = make_epoch(started_at=NOON)
    [event] = commit(epoch, use)
    commit(epoch, undoing(event, use))
    roll_up()
    assert last_use(use) == (NOON, "small")


def test_rolling_up_in_small_batches_is_the_same(use: Use) -> None:
    uses = [
        replace(use, admitted_at=NOON + dt.timedelta(seconds=second))
        for second in (3, 1, 7, 5, 2)
    ]
    commit(make_epoch(started_at=NOON), *uses)
    roll_up(batch_events=1)
    assert last_use(use) == (NOON + dt.timedelta(seconds=7), "small")


def test_an_event_of_a_key_that_is_not_there_is_not_held_up(use: Use) -> None:
    commit(make_epoch(started_at=NOON), replace(use, api_key_id=999_999_999), use)
    assert roll_up().events == 2
    assert KeyUse.objects.count() == 1


@pytest.mark.usefixtures("fresh_database")
def test_a_key_that_is_being_changed_holds_up_no_rollup() -> None:
    """Whoever changes a key may take long; days are rolled up meanwhile."""
    use = make_use(price=make_price(), admitted_at=NOON)
    commit(make_epoch(started_at=NOON), use)
    changed, rolled = threading.Event(), threading.Event()

    def change() -> None:
        with as_operator():
            try:
                with atomic():
                    key = ApiKey.objects.get(pk=use.api_key_id)
                    services.update_key(api_key=key, name="other")
                    changed.set()
                    assert rolled.wait(20)
            finally:
                connections[OPERATOR].close()

    changing = threading.Thread(target=change)
    changing.start()
    try:
        assert changed.wait(20)
        with as_operator():
            assert roll_up().events == 1
            assert last_use(use) is not None
    finally:
        rolled.set()
        changing.join()


def test_requests_of_late_are_counted_by_key(use: Use) -> None:
    other = make_use(price=use.price, admitted_at=LATER)
    epoch = make_epoch(started_at=NOON)
    [event, *_] = commit(epoch, use, use, replace(use, admitted_at=LATER), other)
    commit(epoch, undoing(event, use))

    def counted(since: dt.datetime, *keys: int) -> int | None:
        return activity.requests_since(
            since, tenant_id=use.tenant_id, api_key_ids=keys or None
        )

    assert counted(NOON) == 3
    assert counted(NOON, use.api_key_id) == 3
    assert counted(NOON, other.api_key_id) == 0
    assert counted(LATER) == 1
