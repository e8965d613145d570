"""Postings: balanced, once, for good."""

import datetime as dt

import pytest
from django.db import IntegrityError, ProgrammingError, transaction

from kit.orm.roles import OPERATOR, OWNER, as_operator
from metering.ledger.models import Account, DayPosting, Entry, Transaction
from metering.ledger.selectors import balances
from metering.ledger.services import Amount, LedgerInvariantError, Posting, post

AT = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
Kind = Account.Kind


def posting(
    *picos: int, source: str = "a", tenant_id: int = 1, at: dt.datetime = AT
) -> Posting:
    kinds = (Kind.RECEIVABLE, Kind.ACCRUED, Kind.ROUNDING)
    return Posting(
        tenant_id=tenant_id,
        kind=Transaction.Kind.INVOICE,
        source=source,
        currency="USD",
        occurred_at=at,
        amounts=tuple(map(Amount, kinds, picos)),
    )


def test_posting_moves_balances(operator_db: None) -> None:
    huge = 9 * 10**20  # more than a BIGINT holds
    post(postings=[posting(huge, -huge), posting(7, -5, -2, source="b")])
    found = balances(tenant_id=1, at=AT)
    assert {kind: money.picos for (kind, _), money in found.items()} == {
        Kind.RECEIVABLE: huge + 7,
        Kind.ACCRUED: -huge - 5,
        Kind.ROUNDING: -2,
    }


def test_same_source_posts_once(operator_db: None) -> None:
    first = post(postings=[posting(5, -5)])
    assert post(postings=[posting(5, -5)]) == first
    assert Entry.objects.count() == 2


def test_same_source_of_another_tenant_is_another(operator_db: None) -> None:
    post(postings=[posting(5, -5), posting(5, -5, tenant_id=2)])
    assert balances(tenant_id=2, at=AT)[Kind.RECEIVABLE, "USD"].picos == 5


def test_same_source_with_other_amounts_is_refused(operator_db: None) -> None:
    post(postings=[posting(5, -5)])
    with pytest.raises(LedgerInvariantError, match="differently"):
        post(postings=[posting(6, -6)])


@pytest.mark.parametrize("picos", [(), (1,), (5, -4)])
def test_unbalanced_posting_is_refused(
    operator_db: None, picos: tuple[int, ...]
) -> None:
    with pytest.raises(LedgerInvariantError, match="sum to zero"):
        post(postings=[posting(*picos)])


def test_database_refuses_unbalanced_entries(operator_db: None) -> None:
    (pk,) = post(postings=[posting(5, -5)])
    account = Account.objects.first()
    assert account is not None
    entry = Entry(tenant_id=1, transaction_id=pk, account=account, amount_picos=1)
    with (
        pytest.raises(IntegrityError, match="do not sum to zero"),
        transaction.atomic(using=OPERATOR),
    ):
        entry.save(force_insert=True)


@pytest.mark.parametrize("model", [Entry, Transaction, DayPosting])
def test_books_are_append_only(
    operator_db: None, model: type[Entry | Transaction | DayPosting]
) -> None:
    post(postings=[posting(5, -5)])
    refused = pytest.raises(ProgrammingError, match="permission denied")
    with refused, transaction.atomic(using=OPERATOR):
        model.objects.update(tenant_id=2)
    with refused, transaction.atomic(using=OPERATOR):
        model.objects.all()._raw_delete(using=OPERATOR)


def test_books_are_append_only_for_their_owner(fresh_database: object) -> None:
    with as_operator():
        post(postings=[posting(5, -5)])
    with pytest.raises(IntegrityError, match="append-only"):
        Entry.objects.using(OWNER).update(tenant_id=2)


def test_balance_is_as_of_an_instant(operator_db: None) -> None:
    later = AT + dt.timedelta(days=1)
    post(postings=[posting(5, -5), posting(3, -3, source="b", at=later)])
    assert balances(tenant_id=1, at=AT)[Kind.RECEIVABLE, "USD"].picos == 5
    assert balances(tenant_id=1, at=later)[Kind.RECEIVABLE, "USD"].picos == 8
