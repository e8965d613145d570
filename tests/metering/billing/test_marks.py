"""Marks: each posting is charged once, also one that is under way when it is looked."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connections

from kit.contracts import TokenCounts
from kit.orm.atomic import atomic
from kit.orm.roles import as_operator
from metering.billing.marks import Mark, charged_by, charged_picos, next_mark
from metering.billing.models import ClaimedPosting, Invoice
from metering.billing.rebuilding import rebuilt_lines
from metering.ledger.models import DayPosting
from metering.ledger.services import hold_books
from tests.concurrency import as_another_operator, wait_until_blocked
from tests.factories.billing import make_draft

OCTOBER = dt.date(2026, 10, 1)
NOVEMBER = dt.date(2026, 11, 1)
COUNTS = TokenCounts(input_tokens=12345, output_tokens=678)


def post_more(invoice: Invoice) -> DayPosting:
    """Post another revision of a day that an invoice has charged."""
    last = DayPosting.objects.filter(tenant_id=invoice.tenant_id).order_by("id").last()
    assert last is not None
    added = DayPosting.objects.create(
        tenant_id=last.tenant_id,
        date=last.date,
        price_id=last.price_id,
        token_class=last.token_class,
        revision=last.revision + 1,
        quantity=0,
        charge_picos=0,
        transaction_id=last.transaction_id,
    )
    added.refresh_from_db()
    return added


def test_a_close_waits_for_what_is_being_posted(fresh_database: object) -> None:
    """Its number may be lower than one that is committed already."""
    invoice = make_draft()
    found: list[Mark] = []

    def look() -> None:
        with atomic():
            found.append(next_mark(tenant_id=invoice.tenant_id, days_to=NOVEMBER))

    with ThreadPoolExecutor() as threads:
        with as_operator(), atomic():
            hold_books(tenant_ids=[invoice.tenant_id])
            looking = threads.submit(as_another_operator, look)
            wait_until_blocked()
            added = post_more(invoice)
        looking.result()
    assert [mark.posted_to for mark in found] == [added.id]
    assert found[0].posted_from == invoice.posted_to
    connections.close_all()


def test_marks_of_a_tenant_are_one_chain(operator_db: None) -> None:
    invoice = make_draft()
    broken: tuple[dict[str, Any], ...] = (
        # Another beginning, another successor, a gap, a step back.
        {"days_from": None, "posted_from": None},
        {"days_from": OCTOBER, "posted_from": (invoice.posted_to or 0) + 1},
        {"days_from": NOVEMBER, "posted_from": invoice.posted_to},
    )
    for number, begins in enumerate(broken):
        other = make_draft()
        with pytest.raises(IntegrityError), atomic():
            Invoice.objects.filter(pk=other.pk).update(
                tenant_id=invoice.tenant_id,
                days_to=NOVEMBER + dt.timedelta(days=number),
                posted_to=10**9,
                **begins,
            )


def test_what_was_claimed_one_by_one_stays_so(operator_db: None) -> None:
    """An invoice from before there were marks names its postings, and no mark does."""
    invoice = make_draft(counts=COUNTS)
    postings = DayPosting.objects.filter(tenant_id=invoice.tenant_id)
    lines = {line.token_class: line for line in invoice.lines.all()}
    ClaimedPosting.objects.bulk_create(
        ClaimedPosting(
            tenant_id=posting.tenant_id,
            date=posting.date,
            price_id=posting.price_id,
            token_class=posting.token_class,
            revision=posting.revision,
            line=lines[posting.token_class],
        )
        for posting in postings
    )
    invoice.basis = {}
    invoice.days_to = invoice.posted_to = None
    invoice.save()

    assert len(charged_by(invoice)) == postings.count() == 2
    assert charged_picos(invoice) == invoice.exact_picos
    assert rebuilt_lines(invoice).sha256 == invoice.lines_sha256
    mark = next_mark(tenant_id=invoice.tenant_id, days_to=OCTOBER)
    later = Invoice(
        tenant_id=invoice.tenant_id,
        days_from=mark.days_from,
        posted_from=mark.posted_from,
        days_to=mark.days_to,
        posted_to=mark.posted_to,
    )
    assert (charged_by(later), charged_picos(later)) == ([], 0)
