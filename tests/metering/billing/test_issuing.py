"""Issuing: a gapless number, a balanced posting, an invoice that never changes."""

import datetime as dt
import threading

import pytest
from django.db import IntegrityError, connections, transaction

from kit.contracts import TokenCounts
from kit.errors import Conflict
from kit.money import picos_from_minor
from kit.orm.atomic import atomic
from kit.orm.roles import OPERATOR, as_operator
from metering.billing.models import Invoice, InvoiceLine, Seller
from metering.billing.selectors import document
from metering.billing.services import advance_invoices, issue_invoice
from metering.ledger.models import Account, Entry, Transaction
from metering.ledger.selectors import balances
from tenants.services import update_tenant
from tests.factories.billing import make_draft, make_tenant_of

NOW = dt.datetime(2026, 10, 3, 12, tzinfo=dt.UTC)
COUNTS = TokenCounts(
    input_tokens=1_234_567, cached_input_tokens=765_432, output_tokens=98_765
)


def test_invoice_gets_the_next_number(operator_db: None) -> None:
    first = issue_invoice(invoice=make_draft(), now=NOW)
    second = issue_invoice(invoice=make_draft(), now=NOW)
    assert (first.number, second.number) == ("T-2026-000001", "T-2026-000002")
    assert (first.state, first.issued_at) == (Invoice.State.PAID, NOW)


def test_issuing_twice_is_issuing_once(operator_db: None) -> None:
    draft = make_draft()
    first = issue_invoice(invoice=draft, now=NOW)
    assert issue_invoice(invoice=draft, now=NOW + dt.timedelta(days=1)) == first
    assert first.seller.last_number == 1
    assert Transaction.objects.filter(kind=Transaction.Kind.INVOICE).count() == 1


def test_receivable_is_what_is_charged_and_the_rest_is_rounding(
    operator_db: None,
) -> None:
    invoice = issue_invoice(invoice=make_draft(counts=COUNTS), now=NOW)
    charged = picos_from_minor(invoice.amount_minor, "USD")

    stands = {
        kind: money.picos
        for (kind, _), money in balances(tenant_id=invoice.tenant_id, at=NOW).items()
    }

    assert invoice.exact_picos % 10**10 != 0
    assert stands == {
        Account.Kind.RECEIVABLE: charged,
        Account.Kind.ROUNDING: invoice.exact_picos - charged,
        Account.Kind.ACCRUED: 0,
        Account.Kind.REVENUE: -invoice.exact_picos,
    }


def test_sum_of_lines_is_the_invoice(operator_db: None) -> None:
    invoice = make_draft(counts=COUNTS)
    lines = list(invoice.lines.all())
    assert sum(line.exact_picos for line in lines) == invoice.exact_picos
    assert sum(line.amount_minor for line in lines) == invoice.amount_minor
    assert [line.amount_minor for line in lines] == [370, 23, 148]


def test_negative_total_has_no_number(operator_db: None) -> None:
    draft = make_draft()
    Invoice.objects.filter(pk=draft.pk).update(amount_minor=-1)
    with pytest.raises(Conflict, match="credit note"):
        issue_invoice(invoice=draft, now=NOW)


def test_void_draft_has_no_number(operator_db: None) -> None:
    draft = make_draft()
    Invoice.objects.filter(pk=draft.pk).update(state=Invoice.State.VOID)
    with pytest.raises(Conflict, match="not a draft"):
        issue_invoice(invoice=draft, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"number": "T-9"},
        {"number": None},
        {"amount_minor": 1},
        {"lines_sha256": ""},
        {"currency": "JPY"},
        {"issued_at": NOW + dt.timedelta(days=1)},
        {"due_date": None},
    ],
)
def test_issued_invoice_keeps_what_it_says(
    operator_db: None, change: dict[str, object]
) -> None:
    invoice = issue_invoice(invoice=make_draft(), now=NOW)
    row = Invoice.objects.filter(pk=invoice.pk)
    with pytest.raises(IntegrityError, match="keeps"), transaction.atomic(OPERATOR):
        row.update(**change)


def test_lines_of_an_issued_invoice_are_fixed(operator_db: None) -> None:
    invoice = issue_invoice(invoice=make_draft(), now=NOW)
    rows = InvoiceLine.objects.filter(invoice=invoice)
    with pytest.raises(IntegrityError, match="immutable"), transaction.atomic(OPERATOR):
        rows.update(amount_minor=1)


def test_document_says_everything(operator_db: None, settings: object) -> None:
    settings.INVOICE_DAYS_UNTIL_DUE = 14  # type: ignore[attr-defined]
    tenant = make_tenant_of(name="Acme", zone="Asia/Tokyo")
    draft = make_draft(tenant=tenant, counts=COUNTS)
    late = dt.datetime(2026, 10, 3, 20, tzinfo=dt.UTC)

    said = document(issue_invoice(invoice=draft, now=late))

    assert (said.number, said.tenant.name) == ("T-2026-000001", "Acme")
    assert (said.issued_date, said.due_date) == (
        dt.date(2026, 10, 4),
        dt.date(2026, 10, 18),
    )
    assert (said.first_date, said.last_date) == (
        dt.date(2026, 9, 1),
        dt.date(2026, 9, 30),
    )
    assert (said.exact, said.charged, said.rounding) == (
        "5.4148056",
        "5.41 USD",
        "-0.0048056",
    )
    assert [line.price_per_million for line in said.lines] == ["3.00", "0.30", "15.00"]
    assert [line.token_class for line in said.lines] == [
        "input tokens",
        "cached input tokens",
        "output tokens",
    ]


def test_an_issued_document_does_not_follow_what_changes_later(
    operator_db: None, settings: object
) -> None:
    tenant = make_tenant_of(zone="Asia/Tokyo")
    late = dt.datetime(2026, 10, 3, 20, tzinfo=dt.UTC)
    invoice = issue_invoice(invoice=make_draft(tenant=tenant), now=late)
    before = document(invoice)

    settings.INVOICE_DAYS_UNTIL_DUE = 90  # type: ignore[attr-defined]
    update_tenant(tenant=tenant, zone="UTC")

    after = document(Invoice.objects.get(pk=invoice.pk))
    assert (after.issued_date, after.due_date) == (before.issued_date, before.due_date)


def test_one_failing_invoice_holds_up_no_other(operator_db: None) -> None:
    broken, fine = make_draft(), make_draft()
    Invoice.objects.filter(pk=broken.pk).update(provider="carrier pigeon")

    assert advance_invoices(now=NOW) == 1

    fine.refresh_from_db()
    broken.refresh_from_db()
    assert (fine.number, broken.number) == ("T-2026-000001", None)
    assert advance_invoices(now=NOW) == 0


def test_numbers_stay_gapless_through_rollbacks_and_races(
    fresh_database: object,
) -> None:
    with as_operator():
        drafts = [make_draft() for _ in range(12)]
    start = threading.Barrier(4)

    def issue(mine: list[Invoice]) -> None:
        with as_operator():
            start.wait()
            for number, draft in enumerate(mine):
                if number % 2:
                    with atomic():
                        issue_invoice(invoice=draft, now=NOW)
                        transaction.set_rollback(True, using=OPERATOR)
                issue_invoice(invoice=draft, now=NOW)
            connections.close_all()

    workers = [
        threading.Thread(target=issue, args=(drafts[each::4],)) for each in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    with as_operator():
        numbers = sorted(str(each.number) for each in Invoice.objects.all())
        assert numbers == [f"T-2026-{each:06d}" for each in range(1, 13)]
        assert Seller.objects.get().last_number == 12
        assert sum(Entry.objects.values_list("amount_picos", flat=True)) == 0
