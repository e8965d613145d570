"""A day's margins: revenue as posted, cost to the pico, idle time in its own row."""

import datetime as dt
from collections import Counter
from dataclasses import replace

import pytest

from kit.contracts import TokenCounts
from kit.money import picos_from_decimal
from metering.economics.models import DayMargin, DayTotal, WorkedDay
from metering.economics.selectors import Dimension, coverage, currencies, margin
from metering.economics.services import work_out, work_out_due
from metering.ledger.locking import ends_for_all_at, lock_month, reopen_month
from metering.ledger.models import Account
from metering.ledger.selectors import balances
from metering.ledger.services import DAY_GRACE, post_days
from metering.usage.services import roll_up
from tests.factories.economics import make_rate, make_span
from tests.factories.pricing import make_price
from tests.factories.usage import Use, commit, make_epoch, make_use

pytestmark = pytest.mark.usefixtures("operator_db")

DAY = dt.date(2026, 11, 21)
START = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
SECOND, HOUR = dt.timedelta(seconds=1), dt.timedelta(hours=1)
NEXT = dt.timedelta(days=1)
NOON, END = START + 12 * HOUR, START + NEXT
DUE = END + DAY_GRACE
MODEL = "demo-model"
# A thousand a second, for an hour.
FULL = 3_600_000


def used(
    *, output: int, model: str = MODEL, at: dt.datetime = NOON, price: object = None
) -> Use:
    use = make_use(price=price or make_price(model=model), admitted_at=at)  # type: ignore[arg-type]
    return replace(use, counts=TokenCounts(output_tokens=output))


def settle(*uses: Use) -> None:
    commit(make_epoch(started_at=START, state="closed"), *uses)
    roll_up()
    post_days(now=DUE)


def costs() -> dict[tuple[int | None, str], int]:
    return {
        (row.tenant_id, row.model): row.cost_picos
        for row in DayMargin.objects.filter(date=DAY)
        if row.cost_picos
    }


def test_an_hour_half_used_is_half_idle_and_so_are_the_others_whole() -> None:
    make_rate("2.00", tokens_per_s=1000)
    make_span(model=MODEL, starts_at=NOON - HOUR, until=NOON + HOUR)
    use = used(output=FULL // 2)
    settle(use)
    work_out(date=DAY, now=DUE)

    assert costs() == {
        (use.tenant_id, MODEL): picos_from_decimal("1.00"),
        (None, MODEL): picos_from_decimal("3.00"),
    }
    found = margin(currency="USD", first=DAY, end=DAY + NEXT)
    assert found.used.revenue_picos == FULL // 2 * 15_000_000
    assert found.whole.cost_picos == picos_from_decimal("4.00")
    assert found.used.output_tokens == FULL // 2
    assert found.used.margin_bp == 9630


def test_totals_are_the_sums_of_tenants_however_often_a_day_is_worked_out() -> None:
    make_rate("2.00", tokens_per_s=1000)
    make_span(model=MODEL, starts_at=NOON - HOUR, until=NOON + HOUR)
    settle(used(output=FULL // 2), used(output=11, model="other"), used(output=5))
    for _ in range(2):
        work_out(date=DAY, now=DUE)
    found: Counter[tuple[object, ...]] = Counter()
    for row in DayMargin.objects.all():
        key = row.date, row.model, row.currency, row.tenant_id is None
        for name in ("requests", "output_tokens", "revenue_picos", "cost_picos"):
            found[*key, name] += int(getattr(row, name))
    for total in DayTotal.objects.all():
        key = total.date, total.model, total.currency, total.is_idle
        for name in ("requests", "output_tokens", "revenue_picos", "cost_picos"):
            found[*key, name] -= int(getattr(total, name))
    assert DayTotal.objects.count() == 3
    assert not any(found.values())
    assert sum(int(total.cost_picos) for total in DayTotal.objects.all())


def test_revenue_is_what_the_ledger_has() -> None:
    first, second = used(output=7), used(output=11, model="other")
    settle(first, second)
    work_out(date=DAY, now=DUE)
    for by in Dimension.ALL:
        found = margin(currency="USD", first=DAY, end=DAY + NEXT, by=by)
        in_ledger = sum(
            -balances(tenant_id=each.tenant_id, at=DUE)[
                Account.Kind.REVENUE, "USD"
            ].picos
            for each in (first, second)
        )
        assert found.whole.revenue_picos == in_ledger == 18 * 15_000_000


def test_an_adapter_is_done_by_the_replicas_of_its_base() -> None:
    make_rate("2.00", tokens_per_s=1000)
    make_span(model="base", adapters=("tuned",), starts_at=NOON, until=NOON + HOUR)
    use = used(output=FULL, model="tuned")
    settle(use)
    work_out(date=DAY, now=DUE)
    assert costs() == {(use.tenant_id, "tuned"): picos_from_decimal("2.00")}


def test_answers_of_the_cache_cost_no_replica_and_batches_do() -> None:
    make_rate("2.00")
    make_span(model=MODEL, starts_at=NOON, until=NOON + HOUR)
    cached, batch = (
        used(output=5, model=f"{MODEL}@cache"),
        used(output=1, model=f"{MODEL}@batch"),
    )
    settle(cached, batch)
    work_out(date=DAY, now=DUE)
    assert costs() == {(batch.tenant_id, MODEL): picos_from_decimal("2.00")}
    found = margin(currency="USD", first=DAY, end=DAY + NEXT)
    assert [row.key for row in found.rows] == [MODEL]
    assert found.used.output_tokens == 6


def test_currencies_are_never_added() -> None:
    make_rate("2.00", currency="EUR")
    make_span(model=MODEL, starts_at=NOON, until=NOON + HOUR)
    use = used(output=1)
    settle(use)
    work_out(date=DAY, now=DUE)
    assert currencies(first=DAY, end=DAY + NEXT) == ["EUR", "USD"]
    dollars = margin(currency="USD", first=DAY, end=DAY + NEXT).whole
    euros = margin(currency="EUR", first=DAY, end=DAY + NEXT).whole
    assert (dollars.revenue_picos, dollars.cost_picos) == (15_000_000, 0)
    assert (euros.revenue_picos, euros.cost_picos) == (0, picos_from_decimal("2.00"))
    assert euros.margin_bp is None


def test_what_nobody_entered_is_told_as_unknown() -> None:
    make_rate("2.00", level="model", subject=MODEL)
    make_span(model=MODEL, starts_at=NOON, until=NOON + HOUR)
    make_span(model="other", starts_at=NOON, until=NOON + 3 * HOUR)
    work_out(date=DAY, now=DUE)
    found = coverage(first=DAY, end=DAY + NEXT, now=DUE)
    hour = HOUR // dt.timedelta(microseconds=1)
    assert (found.replica_us, found.unpriced_us) == (4 * hour, 3 * hour)
    assert (found.unmeasured_us, found.missing) == (hour, 0)
    assert found.complete_to == END


def test_making_a_day_again_changes_nothing_and_takes_in_what_is_new() -> None:
    make_rate("2.00")
    make_span(model=MODEL, starts_at=NOON, until=NOON + HOUR)
    use = used(output=1)
    settle(use)
    for _ in range(2):
        work_out(date=DAY, now=DUE)
        assert costs() == {(use.tenant_id, MODEL): picos_from_decimal("2.00")}
    make_rate("5.00", starts_on=DAY)
    work_out(date=DAY, now=DUE)
    assert costs() == {(use.tenant_id, MODEL): picos_from_decimal("5.00")}


def test_days_are_worked_out_while_they_may_change() -> None:
    make_span(model=MODEL, starts_at=NOON - NEXT, until=NOON)
    soon = NOON + dt.timedelta(minutes=5)
    assert work_out_due(now=NOON) == 2
    assert work_out_due(now=soon) == 0
    assert work_out_due(now=NOON + dt.timedelta(minutes=10)) == 2
    # The day before has settled by then: once a night is enough.
    late = END - dt.timedelta(minutes=1)
    assert work_out_due(now=late) == 2
    assert work_out_due(now=late + dt.timedelta(minutes=10)) == 2
    assert not WorkedDay.objects.filter(date=DAY - NEXT, worked_at__gt=late).exists()


def test_a_locked_day_stays_and_what_came_late_of_it_is_of_when_it_was_booked() -> None:
    use = used(output=7)
    settle(use)
    work_out(date=DAY, now=DUE)
    month = DAY.replace(day=1)
    later = ends_for_all_at(month) + NEXT
    lock_month(month=month, prepared_by_id=1, approved_by_id=2, now=later)

    commit(make_epoch(started_at=START, state="closed"), use)
    post_days(now=later)
    assert not work_out(date=DAY, now=later)
    assert work_out(date=later.date(), now=later)
    # Open again, the day is still without what was booked on another.
    reopen_month(month=month, reopened_by_id=2, reason="A late bill", now=later)
    assert work_out(date=DAY, now=later)
    for date in (DAY, later.date()):
        found = margin(currency="USD", first=date, end=date + NEXT)
        assert found.whole.revenue_picos == 7 * 15_000_000, date


def test_a_new_rate_makes_its_days_due() -> None:
    entered_at = make_rate().created_at
    since = entered_at - NEXT
    make_span(model=MODEL, starts_at=since, until=entered_at)
    before, after = entered_at - SECOND, entered_at + SECOND
    days = (after.date() - since.date()).days + 1
    assert work_out_due(now=after) == days
    # Worked out after the rate was entered, and as if it had been before.
    assert work_out_due(now=after) == 0
    WorkedDay.objects.update(worked_at=before)
    assert work_out_due(now=after) == days
