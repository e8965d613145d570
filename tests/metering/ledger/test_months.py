"""Sums of months are those of the entries, at any moment, merged or not."""

import datetime as dt
import threading
from collections import Counter
from dataclasses import replace

import pytest
from django.db import connections

from kit.contracts import TokenCounts
from kit.orm.roles import as_operator
from metering.ledger.earned import Part, revenue, revenue_by_tenant, use_by_model
from metering.ledger.models import (
    Account,
    CreditGrant,
    DayPosting,
    Entry,
    Movement,
    PostedUse,
    Transaction,
)
from metering.ledger.month_models import MonthTotal
from metering.ledger.months import month_after, trial_balance, turnovers
from metering.ledger.services import (
    Amount,
    Posting,
    grant_credit,
    merge_months,
    post,
    post_days,
)
from metering.usage.services import cover
from tests.databases import Database
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import commit, make_epoch, make_use

Kind = Account.Kind
NOVEMBER, DECEMBER = dt.date(2026, 11, 1), dt.date(2026, 12, 1)
AT = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 12, 20, tzinfo=dt.UTC)
COUNTS = TokenCounts(input_tokens=10, cached_input_tokens=5, output_tokens=7)


def posting(picos: int, *, source: str = "a", at: dt.datetime = AT) -> Posting:
    return Posting(
        tenant_id=1,
        kind=Transaction.Kind.INVOICE,
        source=source,
        currency="USD",
        occurred_at=at,
        amounts=(Amount(Kind.RECEIVABLE, picos), Amount(Kind.ACCRUED, -picos)),
    )


def summed() -> Counter[tuple[int, int, str]]:
    """Return what the months say of each account and kind, debits less credits."""
    sums: Counter[tuple[int, int, str]] = Counter()
    for row in Movement.objects.all():
        key = row.tenant_id, row.account_id, row.kind
        sums[key] += row.debited_picos - row.credited_picos
    return Counter({key: picos for key, picos in sums.items() if picos})


def booked() -> Counter[tuple[int, int, str]]:
    """Return the same of the entries themselves."""
    sums: Counter[tuple[int, int, str]] = Counter()
    for entry in Entry.objects.select_related("transaction"):
        key = entry.tenant_id, entry.account_id, entry.transaction.kind
        sums[key] += entry.amount_picos
    return Counter({key: picos for key, picos in sums.items() if picos})


@pytest.mark.parametrize(
    ("zone", "at", "month"),
    [
        ("UTC", "2026-12-01T00:00:00+00:00", NOVEMBER),
        ("UTC", "2026-12-01T00:00:00.000001+00:00", DECEMBER),
        ("America/New_York", "2026-12-01T05:00:00+00:00", NOVEMBER),
        ("America/New_York", "2026-12-01T05:00:01+00:00", DECEMBER),
        ("Asia/Kolkata", "2026-11-30T18:30:00+00:00", NOVEMBER),
        ("Asia/Kolkata", "2026-11-30T18:30:01+00:00", DECEMBER),
    ],
)
@pytest.mark.parametrize("has_days", [True, False])
def test_a_transaction_is_of_the_tenants_month_its_end_included(
    operator_db: None, zone: str, at: str, month: dt.date, has_days: bool
) -> None:
    tenant = make_tenant(zone=zone)
    instant = dt.datetime.fromisoformat(at)
    if has_days:
        cover(tenant=tenant, earliest=AT, latest=instant)

    post(postings=[replace(posting(5, at=instant), tenant_id=tenant.pk)])

    assert {row.month for row in Movement.objects.all()} == {month}


def test_sides_are_kept_apart_and_merging_changes_no_sum(operator_db: None) -> None:
    post(postings=[posting(5), posting(-3, source="b")])
    post(postings=[posting(7, source="c", at=LATER)])
    before = turnovers(by_month=True)

    assert merge_months() == 4
    post(postings=[posting(10, source="d")])

    receivable = [
        (row.month, row.debited_picos, row.credited_picos)
        for row in turnovers(accounts=[Kind.RECEIVABLE], by_month=True)
    ]
    assert receivable == [(NOVEMBER, 15, 3), (DECEMBER, 7, 0)]
    assert merge_months() == 2
    assert Movement.objects.count() == 4
    assert merge_months() == 0
    assert [row.debited_picos for row in before if row.account == Kind.RECEIVABLE] == [
        5,
        7,
    ]
    assert summed() == booked()


def test_what_all_moved_is_what_each_moved_merged_or_not(operator_db: None) -> None:
    def of_all() -> Counter[tuple[object, ...]]:
        return Counter(
            {
                (row.account, row.kind, row.currency, row.month): row.debited_picos
                for row in turnovers(by_month=True)
                if row.debited_picos
            }
        )

    def of_each() -> Counter[tuple[object, ...]]:
        found: Counter[tuple[object, ...]] = Counter()
        for row in turnovers(by_month=True, by_tenant=True):
            key = row.account, row.kind, row.currency, row.month
            found[key] += row.debited_picos
        return +found

    for number in range(3):
        both = posting(5 + number, source=f"{number}")
        post(postings=[both, replace(both, tenant_id=2, currency="EUR")])
        assert of_all() == of_each()
        merge_months()
        assert of_all() == of_each()
        post(postings=[posting(-7, source=f"after {number}", at=LATER)])
    assert of_all() == of_each()
    totals = sum(int(row.debited_picos) for row in MonthTotal.objects.all())
    assert totals == 2 * (5 + 6 + 7) + 2 * 7
    (row,) = turnovers(accounts=[Kind.RECEIVABLE], tenant_id=2)
    assert (row.currency, row.debited_picos) == ("EUR", 5 + 6 + 7)


def test_balances_open_with_what_came_before_and_sum_to_zero(operator_db: None) -> None:
    post(postings=[posting(5), posting(7, source="b", at=LATER)])

    rows = {row.account: row for row in trial_balance(month=DECEMBER)}

    receivable = rows[Kind.RECEIVABLE]
    assert (receivable.opening_picos, receivable.closing_picos) == (5, 12)
    assert sum(row.closing_picos for row in rows.values()) == 0
    assert sum(row.debited_picos - row.credited_picos for row in rows.values()) == 0
    assert trial_balance(month=month_after(NOVEMBER, -1)) == []


def test_use_is_summed_by_price_as_it_is_posted(operator_db: None) -> None:
    use = replace(make_use(price=make_price(), admitted_at=AT), counts=COUNTS)
    epoch = make_epoch(started_at=AT, state="closed")
    commit(epoch, use, replace(use, admitted_at=AT + dt.timedelta(days=1)))
    post_days(now=AT + dt.timedelta(days=3))

    (model,) = use_by_model(first=NOVEMBER, last=NOVEMBER)
    (earned,) = revenue(first=NOVEMBER, last=NOVEMBER)

    posted = sum(row.charge_picos for row in DayPosting.objects.all())
    assert model.charge_picos == earned.parts[Part.USE] == earned.net_picos == posted
    assert sum(model.tokens.values()) == 2 * 22
    assert merge_months() > 0
    assert use_by_model(first=NOVEMBER, last=NOVEMBER) == [model]
    assert PostedUse.objects.filter(is_part=True).count() == 0
    (of_tenant,) = revenue_by_tenant(first=NOVEMBER, last=NOVEMBER)
    assert (of_tenant.key, of_tenant.net_picos) == (use.tenant_id, posted)
    assert summed() == booked()


def test_credit_given_away_reduces_revenue_as_it_is_used(operator_db: None) -> None:
    tenant = make_tenant(payment_mode="prepaid")
    for source in CreditGrant.Source:
        grant_credit(
            tenant=tenant, now=AT, source=source, amount_picos=100, reference=source
        )

    (earned,) = revenue(first=NOVEMBER, last=NOVEMBER)

    # The promise is not used, the amends are made, and what is sold is no revenue yet.
    assert earned.parts[Part.GIVEN] == earned.net_picos == -100


def test_those_that_merge_at_once_lose_nothing(fresh_database: Database) -> None:
    with as_operator():
        for number in range(20):
            post(postings=[posting(1, source=f"{number}")])
    start = threading.Barrier(3)

    def merge() -> None:
        with as_operator():
            start.wait()
            while merge_months(parts_max=3):
                pass
        connections.close_all()

    workers = [threading.Thread(target=merge) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    with as_operator():
        assert summed() == booked()
        assert Movement.objects.count() == 2
