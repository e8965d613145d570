"""A locked month takes nothing more; what comes late of it is booked when it comes."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.db import connections, transaction
from django.db.utils import DatabaseError, IntegrityError

from kit.contracts import TokenCounts
from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic, cursor
from kit.orm.roles import OPERATOR, as_operator
from metering.ledger import locking
from metering.ledger.lock_models import LockedMonth
from metering.ledger.locking import ends_for_all_at, is_locked, lock_month, reopen_month
from metering.ledger.models import Account, DayPosting, Movement, Transaction
from metering.ledger.months import trial_balance
from metering.ledger.services import (
    DAY_GRACE,
    Amount,
    Posting,
    hold_months,
    post,
    post_days,
)
from metering.reconciliation.services import verify_ledger
from tests.concurrency import as_another_operator
from tests.factories.pricing import make_price
from tests.factories.usage import Use, commit, make_epoch, make_use

OCTOBER, NOVEMBER = dt.date(2026, 10, 1), dt.date(2026, 11, 1)
DAY = dt.timedelta(days=1)
NOON = dt.datetime(2026, 10, 31, 12, tzinfo=dt.UTC)
POSTED = dt.datetime(2026, 11, 1, tzinfo=dt.UTC) + DAY_GRACE
OVER = ends_for_all_at(OCTOBER)
SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def use(operator_db: None) -> Use:
    """Provide a request of October that is in the books."""
    use = replace(
        make_use(price=make_price(), admitted_at=NOON),
        counts=TokenCounts(input_tokens=10),
    )
    commit(make_epoch(started_at=NOON, state="closed"), use)
    post_days(now=POSTED)
    return use


def lock(month: dt.date = OCTOBER, now: dt.datetime = OVER) -> LockedMonth:
    return lock_month(month=month, prepared_by_id=1, approved_by_id=2, now=now)


def paid(use: Use, at: dt.datetime) -> Posting:
    amounts = (Amount(Account.Kind.CASH, 5), Amount(Account.Kind.RECEIVABLE, -5))
    kind = Transaction.Kind.PAYMENT
    return Posting(use.tenant_id, kind, f"at {at}", "USD", at, amounts)


def earned(month: dt.date) -> int:
    rows = trial_balance(month=month)
    return sum(
        row.credited_picos - row.debited_picos
        for row in rows
        if row.account is Account.Kind.REVENUE
    )


def test_nothing_is_booked_in_a_locked_month(use: Use) -> None:
    lock()
    last = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    for at in (NOON, last, NOON - 40 * DAY):
        with pytest.raises(IntegrityError, match="locked"), atomic():
            post(postings=[paid(use, at)])
    post(postings=[paid(use, last + SECOND)])


def test_nothing_is_added_to_what_a_locked_month_has(use: Use) -> None:
    """Neither a balanced pair of entries nor a posting of a day moves it."""
    posted = Transaction.objects.get(kind=Transaction.Kind.USAGE)
    pair = """
        INSERT INTO ledger_entry (tenant_id, transaction_id, account_id, amount_picos)
        SELECT tenant_id, %s, id, CASE kind WHEN 'revenue' THEN -5 ELSE 5 END
        FROM ledger_account WHERE kind IN ('revenue', 'accrued')
    """
    day = """
        INSERT INTO ledger_dayposting (tenant_id, date, price_id, token_class,
            revision, quantity, charge_picos, transaction_id)
        SELECT tenant_id, date, price_id, token_class, 9, 1, 1, transaction_id
        FROM ledger_dayposting WHERE transaction_id = %s
    """
    for statement in (pair, day):
        with atomic(), cursor() as session:
            session.execute(statement, [posted.pk])
            assert session.rowcount
            transaction.set_rollback(True, using=OPERATOR)
    lock()
    for statement in (pair, day):
        refused = pytest.raises(IntegrityError, match="added to is locked")
        with refused, atomic(), cursor() as session:
            session.execute(statement, [posted.pk])


def test_late_use_of_a_locked_month_is_booked_as_it_comes(use: Use) -> None:
    lock()
    before = earned(OCTOBER)
    now = OVER + DAY
    commit(make_epoch(started_at=NOON, state="closed"), use)
    assert post_days(now=now).postings == 1
    assert (earned(OCTOBER), earned(NOVEMBER)) == (before, before)
    late = DayPosting.objects.get(revision=2)
    assert (late.date, late.booked_on) == (NOON.date(), now.date())
    assert late.transaction.occurred_at == now
    run = verify_ledger(now=now)
    (check,) = (each for each in run.checks if each["name"] == "postings_booked")
    assert check["differences"] == 0


def test_figures_of_a_locked_month_that_changed_are_found(use: Use) -> None:
    lock()

    def differences() -> int:
        made = verify_ledger(now=OVER).checks
        (check,) = (each for each in made if each["name"] == "locked_months_stand")
        assert check["rows"] == 1
        return int(check["differences"])

    assert differences() == 0
    Movement.objects.filter(month=OCTOBER).delete()
    assert differences() == 1
    reopen_month(month=OCTOBER, reopened_by_id=2, reason="Gone", now=OVER)
    assert not any(
        each["rows"]
        for each in verify_ledger(now=OVER).checks
        if each["name"] == "locked_months_stand"
    )


def test_a_month_is_locked_once_it_is_over_and_in_its_order(use: Use) -> None:
    with pytest.raises(Conflict, match="is over on"):
        lock(now=OVER - SECOND)
    with pytest.raises(Conflict, match="2026-10 is not locked"):
        lock(NOVEMBER, now=OVER + 40 * DAY)
    lock()
    with pytest.raises(Conflict, match="locked already"):
        lock()
    lock(NOVEMBER, now=OVER + 40 * DAY)
    assert is_locked(OCTOBER)
    assert is_locked(NOVEMBER)
    assert not is_locked(dt.date(2026, 12, 1))


def test_two_people_lock_a_month(use: Use) -> None:
    with pytest.raises(Conflict, match="Another person"):
        lock_month(month=OCTOBER, prepared_by_id=1, approved_by_id=1, now=OVER)
    with pytest.raises(IntegrityError), atomic():
        LockedMonth.objects.create(
            month=OCTOBER, prepared_by_id=1, approved_by_id=1, locked_at=OVER
        )


def test_the_last_one_is_reopened_for_a_reason_and_its_locking_is_kept(
    use: Use,
) -> None:
    row = lock()
    with pytest.raises(InvalidRequest, match="why"):
        reopen_month(month=OCTOBER, reopened_by_id=2, reason=" ", now=OVER)
    reopen_month(month=OCTOBER, reopened_by_id=2, reason="A late bill", now=OVER)
    assert not is_locked(OCTOBER)
    post(postings=[paid(use, NOON)])
    with pytest.raises(Conflict, match="not locked"):
        reopen_month(month=OCTOBER, reopened_by_id=2, reason="Again", now=OVER)
    again = lock()
    assert again.pk != row.pk
    for statement in ("DELETE FROM {}", "UPDATE {} SET approved_by_id = 9"):
        refused = pytest.raises(DatabaseError, match=r"permission|reopening")
        with refused, atomic(), cursor() as session:
            session.execute(statement.format("ledger_lockedmonth"))


def test_an_earlier_one_stays_locked_while_a_later_one_is(use: Use) -> None:
    lock()
    lock(NOVEMBER, now=OVER + 40 * DAY)
    with pytest.raises(Conflict, match="later month"):
        reopen_month(month=OCTOBER, reopened_by_id=2, reason="Why", now=OVER)


def test_nobody_locks_while_somebody_posts(
    fresh_database: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "_TRIES", 1)
    monkeypatch.setattr(locking, "_BETWEEN_S", 0)
    with ThreadPoolExecutor(1) as another, as_operator():
        with atomic():
            hold_months()
            refused = another.submit(as_another_operator, lock).result()
        assert isinstance(refused, Conflict)
        assert "being written" in refused.message
        assert another.submit(as_another_operator, lock).result() is None
    connections.close_all()
