"""Bills as they are closed and issued: plans, credit and taxes with use, and booked."""

import datetime as dt
import threading
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connections
from django.db.models import Sum

from kit.contracts import TokenClass, TokenCounts
from kit.errors import Conflict, InvalidRequest
from kit.orm.roles import as_operator
from metering.billing import closing_due
from metering.billing.closing import Closed
from metering.billing.models import BillingProfile, Invoice, Period
from metering.billing.paid import invoice_paid
from metering.billing.rebuilding import rebuilt_lines
from metering.billing.services import (
    advance_invoice,
    close_due_periods,
    close_period,
    draft_top_up,
    issue_invoice,
)
from metering.ledger.models import Account, Entry
from metering.ledger.services import grant_credit
from metering.subscriptions.services import ComponentWanted, DiscountWanted
from metering.taxes.services import create_rate, end_rate, treat_tenant
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.factories.billing import CLOSED, FIRST, STARTED, make_month, make_tenant_of
from tests.factories.subscriptions import make_plan_version, make_subscription
from tests.factories.usage import Use, commit, make_epoch

NEXT = dt.date(2026, 10, 1)
NEXT_CLOSED = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
MILLION = 10**6
DOLLAR = 10**12
# At the prices of the factories: 3.00 and 15.00 a million.
COUNTS = TokenCounts(input_tokens=10 * MILLION, output_tokens=2 * MILLION)
Kind = Account.Kind


def close(tenant: Tenant, date: dt.date = FIRST, now: dt.datetime = CLOSED) -> Closed:
    return close_period(tenant=tenant, date=date, now=now)


def invoiced(closed: Closed) -> Invoice:
    assert closed.invoice is not None
    return closed.invoice


def told(invoice: Invoice) -> list[tuple[str, int]]:
    rows = invoice.lines.order_by("position")
    return [(row.kind, row.amount_minor) for row in rows]


def standing(tenant: Tenant) -> dict[str, int]:
    """Return what stands on a tenant's accounts, in cents; parts of one are refused."""
    sums = (
        Entry.objects.filter(tenant_id=tenant.pk)
        .values_list("account__kind")
        .annotate(picos=Sum("amount_picos"))
    )
    assert not [picos for _, picos in sums if picos % 10**10]
    return {kind: int(picos) // 10**10 for kind, picos in sums if picos}


def planned(tenant: Tenant, **fields: object) -> None:
    version = make_plan_version(currency=tenant.currency, **fields)
    make_subscription(tenant=tenant, starts_on=FIRST, now=STARTED, version=version)


def tax(tenant: Tenant) -> None:
    create_rate(name="VAT", country="DE", percent=Decimal(19), starts_at=STARTED)
    treat_tenant(
        tenant=tenant, now=STARTED, starts_at=STARTED, kind="taxed", country="DE"
    )


INCLUDED = ComponentWanted(
    name="Input tokens",
    meter="tokens",
    token_classes=[TokenClass.INPUT],
    document={
        "model": "per_unit",
        "unit_price": "2",
        "unit_size": "1000000",
        "included": "4000000",
    },
)
TENTH = DiscountWanted(name="Loyalty", scope="all", percent=Decimal(10))


def test_a_bill_of_every_kind_is_booked(operator_db: None) -> None:
    tenant = make_tenant_of()
    planned(tenant, fee_minor=3000, components=[INCLUDED], discounts=[TENTH])
    tax(tenant)
    grant_credit(
        tenant=tenant,
        now=STARTED,
        source="promotional",
        amount_picos=480 * DOLLAR // 100,
        reference="a gift",
    )
    make_month(tenant=tenant, counts=COUNTS)

    invoice = invoiced(close(tenant))

    assert told(invoice) == [
        ("usage", 3000),
        ("component", 1200),
        ("fee", 3000),
        ("discount", -720),
        ("credit", -480),
        ("tax", 1140),
    ]
    assert (invoice.subtotal_minor, invoice.tax_minor) == (6480, 1140)
    assert rebuilt_lines(invoice).sha256 == invoice.lines_sha256
    issued = issue_invoice(invoice=invoice, now=CLOSED)
    assert standing(tenant) == {
        Kind.RECEIVABLE: 7140,
        # Use was worth 60.00 as it was posted; the component charges 18.00 less.
        Kind.REVENUE: -3000 - 1200 - 3000,
        Kind.DISCOUNTS: 720 + 480,
        Kind.TAX: -1140,
    }
    assert issued.state == Invoice.State.OPEN


def test_lines_made_again_hash_the_same(operator_db: None) -> None:
    tenant = make_tenant_of()
    planned(tenant, fee_minor=3000, components=[INCLUDED], discounts=[TENTH])
    make_month(tenant=tenant, counts=COUNTS)
    invoice = invoiced(close(tenant))
    hashes = {rebuilt_lines(invoice).sha256 for _ in range(3)}
    assert hashes == {invoice.lines_sha256}


def test_a_plan_without_use_is_billed(operator_db: None) -> None:
    tenant = make_tenant_of()
    planned(tenant, fee_minor=3000, minimum_commitment_minor=10_000)
    assert told(invoiced(close(tenant))) == [("fee", 3000), ("commitment", 7000)]


def test_credit_pays_a_whole_bill_at_once(operator_db: None) -> None:
    tenant = make_tenant_of()
    grant_credit(
        tenant=tenant,
        now=STARTED,
        source="top_up",
        amount_picos=100 * DOLLAR,
        reference="a payment",
    )
    make_month(tenant=tenant, counts=COUNTS)
    heard: list[Invoice] = []

    def hear(invoice: Invoice, **_: object) -> None:
        heard.append(invoice)

    invoice_paid.connect(hear)
    try:
        invoice = advance_invoice(invoice=invoiced(close(tenant)), now=CLOSED)
    finally:
        invoice_paid.disconnect(hear)

    assert told(invoice) == [("usage", 3000), ("usage", 3000), ("credit", -6000)]
    assert (invoice.amount_minor, invoice.state) == (0, Invoice.State.PAID)
    assert invoice.number is not None
    assert [each.pk for each in heard] == [invoice.pk]
    assert standing(tenant) == {
        Kind.CASH: 10_000,
        Kind.WALLET: -4000,
        Kind.REVENUE: -6000,
    }


def test_use_that_came_late_is_rated_with_what_was_there(operator_db: None) -> None:
    """4 million tokens are included: of 3 and of 3 more, late, 2 are charged."""
    tenant = make_tenant_of()
    planned(tenant, fee_minor=3000, components=[INCLUDED])
    use = make_month(tenant=tenant, counts=TokenCounts(input_tokens=3 * MILLION))
    assert told(invoiced(close(tenant))) == [("component", 0), ("fee", 3000)]

    late = replace(use, admitted_at=STARTED + dt.timedelta(days=3))
    commit(make_epoch(started_at=STARTED, state="closed"), late)
    second = invoiced(close(tenant, NEXT, NEXT_CLOSED))

    assert told(second) == [("component", 400), ("fee", 3000)]
    assert "adjustment of 2026-09" in second.lines.order_by("position")[0].description
    assert rebuilt_lines(second).sha256 == second.lines_sha256


def test_a_fee_in_advance_is_earned_with_its_period(operator_db: None) -> None:
    tenant = make_tenant_of()
    planned(tenant, fee_minor=3000, fee_in_advance=True)
    first = issue_invoice(invoice=invoiced(close(tenant)), now=CLOSED)
    before = standing(tenant)
    second = issue_invoice(
        invoice=invoiced(close(tenant, NEXT, NEXT_CLOSED)), now=NEXT_CLOSED
    )
    after = standing(tenant)

    assert told(first)[-1] == told(second)[-1] == ("fee", 3000)
    assert before[Kind.DEFERRED] == after[Kind.DEFERRED] == -3000
    assert after[Kind.REVENUE] - before.get(Kind.REVENUE, 0) == -3000


def test_a_top_up_is_taxed_and_made_once(operator_db: None) -> None:
    tenant = make_tenant_of()
    tax(tenant)
    top_up = draft_top_up(
        tenant=tenant, amount_minor=5000, reference="top-up 7", now=CLOSED
    )
    again = draft_top_up(
        tenant=tenant, amount_minor=5000, reference="top-up 7", now=NEXT_CLOSED
    )
    assert again == top_up
    assert told(top_up) == [("top_up", 5000), ("tax", 950)]
    assert rebuilt_lines(top_up).sha256 == top_up.lines_sha256
    with pytest.raises(Conflict, match="another amount"):
        draft_top_up(tenant=tenant, amount_minor=1, reference="top-up 7", now=CLOSED)
    with pytest.raises(InvalidRequest, match="above zero"):
        draft_top_up(tenant=tenant, amount_minor=0, reference="top-up 8", now=CLOSED)

    issued = advance_invoice(invoice=top_up, now=CLOSED)

    assert (issued.state, issued.period) == (Invoice.State.OPEN, None)
    assert standing(tenant) == {
        Kind.RECEIVABLE: 5950,
        Kind.DEFERRED: -5000,
        Kind.TAX: -950,
    }


def test_an_invoice_keeps_who_bought_and_sold(operator_db: None) -> None:
    tenant = make_tenant_of()
    BillingProfile.objects.create(tenant=tenant, legal_name="Acme Ltd", po_number="P-9")
    make_month(tenant=tenant)
    issued = issue_invoice(invoice=invoiced(close(tenant)), now=CLOSED)
    BillingProfile.objects.update(legal_name="Other Ltd")
    issued.refresh_from_db()
    assert issued.buyer["name"] == "Acme Ltd"
    assert issued.buyer["po_number"] == "P-9"
    assert issued.seller_details["name"] == issued.seller.name


def _close_beside(workers: int) -> list[Closed]:
    """Let several workers close all that is due, each on its own connection."""
    start = threading.Barrier(workers)
    found: list[Closed] = []

    def run() -> None:
        with as_operator():
            start.wait()
            found.extend(close_due_periods(now=NEXT_CLOSED))
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_workers_share_what_is_due(fresh_database: object) -> None:
    with as_operator():
        for _ in range(4):
            use = make_month()
            _use_again(use)

    found = _close_beside(3)

    with as_operator():
        assert Period.objects.filter(state=Period.State.CLOSED).count() == 8
        assert Invoice.objects.count() == 8
    closed = [each.period.pk for each in found]
    assert len(closed) == len(set(closed)) == 8


def _use_again(use: Use) -> None:
    october = replace(use, admitted_at=STARTED + dt.timedelta(days=40))
    commit(make_epoch(started_at=STARTED, state="closed"), october)


def test_a_killed_close_has_done_nothing(
    operator_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    use = make_month()

    def die(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as killing:
        killing.setattr("metering.billing.closing.earn_advance_fees", die)
        with pytest.raises(SystemExit):
            closing_due.close_due_periods(now=CLOSED)
    assert not Invoice.objects.filter(tenant_id=use.tenant_id).exists()
    (closed,) = close_due_periods(now=CLOSED)
    assert closed.invoice is not None
    assert database_now() > STARTED


def test_a_rate_that_changes_as_the_period_ends_is_the_next_ones(
    operator_db: None,
) -> None:
    tenant, other = make_tenant_of(), make_tenant_of()
    ends = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    before = create_rate(
        name="VAT", country="DE", percent=Decimal(19), starts_at=STARTED
    )
    end_rate(rate=before, ends_at=ends, now=STARTED)
    create_rate(name="VAT", country="DE", percent=Decimal(16), starts_at=ends)
    for each in (tenant, other):
        treat_tenant(
            tenant=each, now=STARTED, starts_at=STARTED, kind="taxed", country="DE"
        )
    treat_tenant(
        tenant=other, now=STARTED, starts_at=ends, kind="exempt", note="A school."
    )
    for each in (tenant, other):
        make_month(tenant=each, counts=COUNTS)
        assert told(invoiced(close(each)))[-1] == ("tax", 1140)
