"""What came of invoices, and credit: right at first, then broken once and found."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from kit.orm.roles import as_operator
from metering.billing.models import Invoice
from metering.ledger.services import book_burns, grant_credit
from metering.receivables.services import (
    Wanted,
    issue_credit_note,
    record_payment,
    write_off,
)
from tests.databases import Database, cloned
from tests.metering.reconciliation.commands import run_json
from tests.metering.reconciliation.damage import Damage, require_seen

_PAID = "T-2026-000001"
_DAMAGES = (
    Damage(
        "a payment deleted",
        "DELETE FROM receivables_payment",
        {"invoices_settled": 1},
        f"{_PAID}: paid 0, credited 0, given up 0 / paid 500, credited 0, given up 0",
    ),
    Damage(
        "a write-off deleted",
        "DELETE FROM receivables_writeoff",
        {"invoices_settled": 1},
        "2: paid 0, credited 2, given up 0 / paid 0, credited 2, given up 8",
    ),
    Damage(
        "more paid than came in",
        f"UPDATE billing_invoice SET paid_minor = 501 WHERE number = '{_PAID}'",
        {"invoices_settled": 1, "receivables_open": 1},
        "paid 500, credited 0, given up 0 / paid 501, credited 0, given up 0",
    ),
    Damage(
        "an invoice called paid that is open",
        f"UPDATE billing_invoice SET state = 'paid' WHERE number = '{_PAID}'",
        {"invoices_settled": 1},
        f"{_PAID}: open / paid with 583 open",
    ),
    Damage(
        "a payment not booked",
        "WITH gone AS (DELETE FROM ledger_transaction WHERE kind = 'payment'"
        " RETURNING id) DELETE FROM ledger_entry"
        " WHERE transaction_id IN (SELECT id FROM gone)",
        {"receivables_open": 1, "months_summed": 2},
        "all in USD: 5830000000000 open / 10830000000000 owed",
    ),
    Damage(
        "more of a line taken back than it has",
        "UPDATE receivables_creditnoteline SET amount_minor = 9 WHERE amount_minor = 2",
        {"notes_within_lines": 2},
        "line 1 of T-2026-000002: at most 7 / 9 taken back",
    ),
    Damage(
        "a note with another tax",
        "UPDATE receivables_creditnote SET tax_minor = 1",
        {"notes_within_lines": 1},
        ": 2, of it tax 0 / 2, of it tax 1",
    ),
    Damage(
        "a burn forgotten",
        "DELETE FROM ledger_creditburn",
        {"burns_booked": 2},
        "grant 1: 0 burned / ",
    ),
    Damage(
        "more booked of a grant than burned",
        "UPDATE ledger_creditgrant SET booked_picos = booked_picos + 1",
        {"burns_booked": 2},
        "credit in USD: ",
    ),
    Damage(
        "a burn booked as another amount",
        "UPDATE ledger_entry SET amount_picos = amount_picos + CASE account.kind"
        " WHEN 'wallet' THEN 1 ELSE -1 END FROM ledger_account account,"
        " ledger_transaction transaction WHERE account.id = account_id"
        " AND transaction.id = transaction_id AND transaction.kind = 'burn'",
        {"burns_booked": 2, "months_summed": 2},
        "burns after 0: ",
    ),
)


@pytest.fixture(scope="module")
def filled(postgres_server: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Fill books in which invoices were paid, credited, given up, and credit burned."""
    # Django's applications are not ready when this module is read.
    from tests.factories import billing, reconciliation  # noqa: PLC0415
    from tests.factories.usage import commit, make_epoch  # noqa: PLC0415

    with django_db_blocker.unblock(), cloned(postgres_server) as database:
        reconciliation.make_books()
        with as_operator():
            _receive(now=reconciliation.NOW)
            tenant = billing.make_tenant_of(slug="ahead", payment_mode="prepaid")
            grant_credit(
                tenant=tenant,
                now=billing.STARTED,
                source="top_up",
                amount_picos=10**15,
                reference="paid ahead",
            )
            use = reconciliation.make_books_use(tenant)
            epoch = make_epoch(started_at=billing.STARTED, state="closed")
            commit(epoch, replace(use, admitted_at=reconciliation.OCTOBER))
            book_burns(tenant_id=tenant.pk, now=reconciliation.NOW)
            reconciliation.settle_counts()
        connections.close_all()
        yield database.name


def _receive(*, now: dt.datetime) -> None:
    paid, credited = Invoice.objects.order_by("number")
    record_payment(
        invoice=paid, amount_minor=500, reference="transfer", received_at=now, now=now
    )
    issue_credit_note(
        invoice=credited, wanted=Wanted("A mistake.", "note", lines={1: 2}), now=now
    )
    write_off(invoice=credited, reason="They are gone.", now=now)


def test_what_came_of_invoices_is_looked_at(books: Database) -> None:
    status, document = run_json("verify_ledger")
    assert (status, document["differences"]) == (0, 0), document["listed"]
    rows = {check["name"]: check["rows"] for check in document["checks"]}
    looked = ("invoices_settled", "notes_within_lines", "receivables_open")
    assert all(rows[name] for name in (*looked, "burns_booked"))


@pytest.mark.parametrize("damage", _DAMAGES, ids=str)
def test_damage_to_what_came_of_invoices(books: Database, damage: Damage) -> None:
    require_seen(books, damage)
