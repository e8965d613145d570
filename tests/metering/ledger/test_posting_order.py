"""Numbers of day postings: a tenant's are committed in their order."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

from django.db import connections

from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from metering.ledger.models import DayPosting
from metering.ledger.services import DAY_GRACE, hold_books, post_days
from tests.concurrency import as_another_operator, wait_until_blocked
from tests.factories.pricing import make_price
from tests.factories.usage import commit, make_epoch, make_use

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
DUE = dt.datetime(2026, 11, 22, tzinfo=dt.UTC) + DAY_GRACE


def test_whoever_holds_the_books_sees_all_that_has_a_number(
    fresh_database: object,
) -> None:
    with as_operator():
        use = make_use(price=make_price(), admitted_at=NOON)
        commit(make_epoch(started_at=NOON, state="closed"), use)
    with ThreadPoolExecutor() as threads:
        with as_operator(), atomic():
            hold_books(tenant_ids=[use.tenant_id])
            posting = threads.submit(as_another_operator, lambda: post_days(now=DUE))
            wait_until_blocked()
            assert not DayPosting.objects.exists()
        assert posting.result() is None
    with as_operator():
        numbers = DayPosting.objects.values_list("id", flat=True)
        assert len(set(numbers)) == len(numbers) == 3
    connections.close_all()


def test_books_of_other_tenants_are_not_held(fresh_database: object) -> None:
    with as_operator():
        use = make_use(price=make_price(), admitted_at=NOON)
        commit(make_epoch(started_at=NOON, state="closed"), use)
    with ThreadPoolExecutor() as threads, as_operator(), atomic():
        hold_books(tenant_ids=[use.tenant_id + 1])
        threads.submit(as_another_operator, lambda: post_days(now=DUE)).result()
    with as_operator():
        assert DayPosting.objects.count() == 3
    connections.close_all()
