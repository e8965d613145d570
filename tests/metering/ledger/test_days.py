"""Day postings: once a day is over and proven, then only what it grew by."""

import datetime as dt
import threading
from dataclasses import replace

import pytest
from django.db import connections

from kit.contracts import TokenClass, TokenCounts
from kit.orm.roles import as_operator
from metering.ledger.models import Account, DayPosting
from metering.ledger.selectors import balances
from metering.ledger.services import DAY_GRACE, post_days
from metering.usage.models import ChangedDay, Epoch
from metering.usage.rollup import CARRIED_OVER_MAX
from metering.usage.services import roll_up
from tests.factories.pricing import make_price
from tests.factories.usage import Use, commit, make_epoch, make_use, undoing

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
MIDNIGHT = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)
DUE = MIDNIGHT + DAY_GRACE
SECOND = dt.timedelta(seconds=1)
COUNTS = TokenCounts(input_tokens=10, cached_input_tokens=5, output_tokens=7)


@pytest.fixture
def use(operator_db: None) -> Use:
    return replace(make_use(price=make_price(), admitted_at=NOON), counts=COUNTS)


def posted(use: Use) -> dict[tuple[TokenClass, int], int]:
    """Return the quantity posted per class and revision."""
    rows = DayPosting.objects.filter(tenant_id=use.tenant_id)
    return {(TokenClass(row.token_class), row.revision): row.quantity for row in rows}


def accrued(use: Use) -> int:
    found = balances(tenant_id=use.tenant_id, at=DUE)
    revenue = found[Account.Kind.REVENUE, "USD"].picos
    assert found[Account.Kind.ACCRUED, "USD"].picos == -revenue
    return -revenue


def test_day_is_posted_after_its_grace(use: Use) -> None:
    commit(make_epoch(started_at=NOON, state="closed"), use)

    assert post_days(now=DUE - SECOND).postings == 0
    assert post_days(now=DUE).postings == 3

    assert posted(use) == {
        (TokenClass.INPUT, 1): 10,
        (TokenClass.CACHED_INPUT, 1): 5,
        (TokenClass.OUTPUT, 1): 7,
    }
    assert accrued(use) == 10 * 3_000_000 + 5 * 300_000 + 7 * 15_000_000


def test_posting_again_posts_nothing(use: Use) -> None:
    commit(make_epoch(started_at=NOON, state="closed"), use)
    post_days(now=DUE)
    before = accrued(use)
    assert post_days(now=DUE).postings == 0
    assert accrued(use) == before


def test_growth_is_a_revision_of_only_the_difference(use: Use) -> None:
    epoch = make_epoch(started_at=NOON, state="closed")
    (event,) = commit(epoch, use)
    post_days(now=DUE)

    commit(epoch, replace(use, counts=TokenCounts(input_tokens=4)))
    assert post_days(now=DUE).postings == 1
    commit(epoch, undoing(event, use))
    assert post_days(now=DUE).postings == 3

    assert posted(use) == {
        (TokenClass.INPUT, 1): 10,
        (TokenClass.INPUT, 2): 4,
        (TokenClass.INPUT, 3): -10,
        (TokenClass.CACHED_INPUT, 1): 5,
        (TokenClass.CACHED_INPUT, 2): -5,
        (TokenClass.OUTPUT, 1): 7,
        (TokenClass.OUTPUT, 2): -7,
    }
    assert accrued(use) == 4 * 3_000_000


def test_free_use_is_posted_too(operator_db: None) -> None:
    free = make_use(price=make_price(per_million=("0", "0", "0")), admitted_at=NOON)
    commit(make_epoch(started_at=NOON, state="closed"), free)
    assert post_days(now=DUE).postings == 3
    assert accrued(free) == 0


def test_open_request_of_the_day_holds_it_back(use: Use) -> None:
    epoch = make_epoch(started_at=NOON, heartbeat_at=DUE)
    commit(epoch, use)
    Epoch.objects.filter(pk=epoch.pk).update(open_since=MIDNIGHT - SECOND)
    assert post_days(now=DUE).postings == 0

    Epoch.objects.filter(pk=epoch.pk).update(open_since=MIDNIGHT)
    assert post_days(now=DUE).postings == 3


def test_gap_holds_back_only_what_its_epoch_may_belong_to(use: Use) -> None:
    commit(make_epoch(started_at=NOON, state="closed"), use)
    later = MIDNIGHT + CARRIED_OVER_MAX
    holed = make_epoch(started_at=later, state="closed")
    commit(holed, replace(use, admitted_at=later), skip=1)
    now = later + 3 * CARRIED_OVER_MAX

    result = post_days(now=now)

    assert (result.postings, result.proven_to) == (3, MIDNIGHT)
    # The missing number arrives.
    Epoch.objects.filter(pk=holed.pk).update(last_seq=0)
    commit(holed, replace(use, admitted_at=MIDNIGHT))
    Epoch.objects.filter(pk=holed.pk).update(last_seq=2)
    assert post_days(now=now).postings == 6


def test_one_tenant_can_be_posted_alone(use: Use) -> None:
    other = make_use(price=use.price, admitted_at=NOON)
    commit(make_epoch(started_at=NOON, state="closed"), use, other)
    assert post_days(now=DUE, tenant_id=other.tenant_id).postings == 3
    assert posted(use) == {}


def test_rollups_and_postings_at_once_lose_nothing(fresh_database: object) -> None:
    with as_operator():
        price = make_price()
        uses = [make_use(price=price, admitted_at=NOON) for _ in range(3)]
        epochs = [make_epoch(started_at=NOON, state="closed") for _ in range(2)]
    done = threading.Event()

    def post_and_roll() -> None:
        with as_operator():
            while not done.is_set():
                post_days(now=DUE)
                roll_up()
            connections.close_all()

    workers = [threading.Thread(target=post_and_roll) for _ in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(25):
        for epoch in epochs:
            commit(epoch, *uses)
    done.set()
    for worker in workers:
        worker.join()

    with as_operator():
        post_days(now=DUE)
        assert not ChangedDay.objects.exists()
        for use in uses:
            sums: dict[TokenClass, int] = {}
            for (token_class, _), quantity in posted(use).items():
                sums[token_class] = sums.get(token_class, 0) + quantity
            assert sums[TokenClass.INPUT] == 50 * use.counts.input_tokens
            assert sums[TokenClass.OUTPUT] == 50 * use.counts.output_tokens
