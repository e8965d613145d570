"""What other books take over balances, adds up to the ledger, and is all there."""

import csv
import datetime as dt
import hashlib
import io
from decimal import Decimal

import pytest
from django.test import Client

from kit.money import picos_from_decimal, picos_from_minor
from kit.orm.roles import as_operator
from metering.economics.journal import Line, journal
from metering.economics.services import add_account_code, change_account_code
from metering.ledger.deferred import deferred_by_month
from metering.ledger.models import Account, Entry, Transaction
from metering.ledger.months import last_day, trial_balance
from metering.ledger.services import Amount, Posting, post
from tests.pages.books.world import OCTOBER, SEPTEMBER, Books
from tests.pages.reading import tables

MONTHS = (SEPTEMBER, OCTOBER, dt.date(2026, 11, 1))
HALF_A_CENT = 5 * 10**9


def by_account(
    lines: list[Line],
) -> dict[tuple[Transaction.Kind, Account.Kind], int]:
    return {
        (line.kind, line.account): line.debit_minor - line.credit_minor
        for line in lines
    }


def test_each_entry_balances_and_months_stay_by_the_ledger(books: Books) -> None:
    sums: dict[tuple[Transaction.Kind, Account.Kind], int] = {}
    exact: dict[tuple[Transaction.Kind, Account.Kind], int] = {}
    for month in MONTHS:
        lines = journal(month=month, currency="USD")
        for kind in Transaction.Kind:
            of_kind = [line for line in lines if line.kind is kind]
            assert sum(line.debit_minor - line.credit_minor for line in of_kind) == 0
        for line in lines:
            key = line.kind, line.account
            sums[key] = sums.get(key, 0) + line.debit_minor - line.credit_minor
            exact[key] = exact.get(key, 0) + line.debit_picos - line.credit_picos
    assert sums
    for key, minor in sums.items():
        if key[1] is not Account.Kind.ROUNDING:
            # Each of its two sides is rounded once, whatever the number of months.
            off = abs(picos_from_minor(minor, "USD") - exact[key])
            assert off <= 2 * HALF_A_CENT, key


def test_rounding_does_not_pile_up(operator_db: None) -> None:
    """A third of a cent in each of nine months is three cents, and never nothing."""
    third = picos_from_decimal("0.003333333333")
    for number in range(9):
        at = dt.datetime(2026, number + 1, 5, tzinfo=dt.UTC)
        amounts = (
            Amount(Account.Kind.ACCRUED, third),
            Amount(Account.Kind.REVENUE, -third),
        )
        post(
            postings=[
                Posting(1, Transaction.Kind.USAGE, f"{number}", "USD", at, amounts)
            ]
        )
    told = [
        by_account(journal(month=dt.date(2026, number + 1, 1), currency="USD")).get(
            (Transaction.Kind.USAGE, Account.Kind.ACCRUED), 0
        )
        for number in range(9)
    ]
    assert sum(told) == 3
    assert set(told) == {0, 1}


def test_accounts_are_called_as_the_other_books_have_them(
    finance: Client, books: Books
) -> None:
    row = add_account_code(account=Account.Kind.CASH, code="1200", name="Bank")
    change_account_code(row=row, code="1210")
    rows = tables(finance.get("/finance/journal/?month=2026-10").content)
    (found,) = (
        row
        for row in rows["Entries of the month"]
        if row[1:4] == ["Payment", "1210", "Bank"]
    )
    assert found[4] == "1.00"


def test_every_entry_of_a_month_is_streamed_with_its_count_and_digest(
    finance: Client, books: Books
) -> None:
    answer = finance.get("/finance/journal/?month=2026-09&file=entries")
    assert answer.streaming
    body = answer.getvalue()
    whole, _, trailer = body.rstrip(b"\r\n").rpartition(b"\n")
    whole += b"\n"
    rows = list(csv.DictReader(io.StringIO(whole.decode())))
    digest = hashlib.sha256(whole).hexdigest()
    assert trailer.decode() == f"# {len(rows)} rows, sha-256 {digest}"
    with as_operator():
        ids = {f"{pk}" for pk in Entry.objects.values_list("transaction_id", flat=True)}
    assert {row["transaction"] for row in rows} < ids
    in_month = {
        row.account: row.debited_picos - row.credited_picos
        for row in trial_balance(month=SEPTEMBER)
    }
    found = dict.fromkeys(in_month, 0)
    for line in rows:
        found[Account.Kind(line["account"])] += int(Decimal(line["amount"]) * 10**12)
    assert found == in_month


@pytest.mark.parametrize("month", MONTHS)
def test_what_remains_of_what_was_sold_ahead_is_in_the_ledger(
    books: Books, month: dt.date
) -> None:
    found = deferred_by_month(first=SEPTEMBER, last=month, currency="USD")
    owed = -sum(
        row.closing_picos
        for row in trial_balance(month=month)
        if row.account in {Account.Kind.WALLET, Account.Kind.DEFERRED}
    )
    assert found[-1].closing_picos == owed
    assert found[0].booked_picos == 51 * 10**11
    assert (sum(row.recognised_picos for row in found) > 0) is (month > SEPTEMBER)
    assert last_day(found[-1].month) == last_day(month)
