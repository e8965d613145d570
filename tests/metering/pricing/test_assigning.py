"""Which book a tenant pays by, and when: no overlap, and a past that stays."""

import datetime as dt
import random
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from kit.errors import Conflict, InvalidRequest
from kit.orm.roles import OPERATOR
from metering.pricing.assigning import assign_book, end_assignment
from metering.pricing.models import PriceBook, PriceBookAssignment
from metering.pricing.selectors import assignments, book_of
from tenants.models import AuditEntry, Tenant
from tests.factories.pricing import make_book
from tests.factories.tenants import make_tenant

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TICK = dt.timedelta(microseconds=1)

Spans = list[tuple[PriceBook, dt.datetime, dt.datetime | None]]


@pytest.fixture
def tenant(operator_db: None) -> Tenant:
    """Provide a tenant whose currency has a default book."""
    make_book(currency="CHF", is_default=True)
    return make_tenant(currency="CHF")


def francs() -> PriceBook:
    return make_book(currency="CHF")


def spans(tenant: Tenant) -> Spans:
    """Return what is assigned, by time."""
    rows = assignments(tenant=tenant).order_by("starts_at")
    return [(row.book, row.starts_at, row.ends_at) for row in rows]


def test_a_book_holds_from_its_instant_and_the_one_before_until_then(
    tenant: Tenant,
) -> None:
    first, second = francs(), francs()
    assign_book(tenant=tenant, book=first, now=NOW)
    assign_book(tenant=tenant, book=second, now=NOW, starts_at=NOW + HOUR)

    assert spans(tenant) == [(first, NOW, NOW + HOUR), (second, NOW + HOUR, None)]
    assert book_of(tenant=tenant, at=NOW - TICK).is_default
    assert book_of(tenant=tenant, at=NOW + HOUR - TICK) == first
    assert book_of(tenant=tenant, at=NOW + HOUR) == second


def test_what_reaches_beyond_a_span_holds_again_after_it(tenant: Tenant) -> None:
    usual, special = francs(), francs()
    assign_book(tenant=tenant, book=usual, now=NOW)
    assign_book(
        tenant=tenant,
        book=special,
        now=NOW,
        starts_at=NOW + HOUR,
        ends_at=NOW + 2 * HOUR,
    )

    assert spans(tenant) == [
        (usual, NOW, NOW + HOUR),
        (special, NOW + HOUR, NOW + 2 * HOUR),
        (usual, NOW + 2 * HOUR, None),
    ]


def test_what_was_planned_gives_way_and_the_audit_tells_of_it(tenant: Tenant) -> None:
    planned, instead = francs(), francs()
    assign_book(tenant=tenant, book=planned, now=NOW, starts_at=NOW + HOUR)
    assign_book(tenant=tenant, book=instead, now=NOW)

    assert spans(tenant) == [(instead, NOW, None)]
    told = AuditEntry.objects.filter(tenant_id=tenant.pk, action="withdraw").get()
    assert told.before["book_id"] == planned.pk


def test_assigning_the_same_again_changes_nothing(tenant: Tenant) -> None:
    book = francs()
    first = assign_book(tenant=tenant, book=book, now=NOW)
    again = assign_book(tenant=tenant, book=book, now=NOW + HOUR)

    assert again == first
    assert spans(tenant) == [(book, NOW, None)]


@pytest.mark.parametrize("given", ["starts_at", "ends_at"])
def test_the_past_stays_as_it_is(tenant: Tenant, given: str) -> None:
    book = francs()
    row = assign_book(tenant=tenant, book=book, now=NOW)
    later, over = NOW + 10 * HOUR, NOW + HOUR
    change: dict[str, Any] = {
        "starts_at": partial(assign_book, tenant=tenant, book=francs(), starts_at=over),
        "ends_at": partial(end_assignment, assignment=row, ends_at=over),
    }
    with pytest.raises(Conflict, match="is over") as refused:
        change[given](now=later)
    assert refused.value.param == given
    assert spans(tenant) == [(book, NOW, None)]


def test_instants_of_no_offset_and_spans_of_no_length_are_refused(
    tenant: Tenant,
) -> None:
    bare = dt.datetime(2026, 12, 1)  # noqa: DTZ001 - that is what is refused
    for wrong in (
        {"starts_at": bare},
        {"ends_at": bare},
        {"ends_at": NOW},
        {"starts_at": NOW + HOUR, "ends_at": NOW},
    ):
        with pytest.raises(InvalidRequest):
            assign_book(tenant=tenant, book=francs(), now=NOW, **wrong)
    assert spans(tenant) == []


def test_book_of_another_currency_cannot_be_assigned(operator_db: None) -> None:
    with pytest.raises(InvalidRequest, match="EUR"):
        assign_book(tenant=make_tenant(), book=make_book(currency="EUR"), now=NOW)


def test_an_end_leads_back_to_the_default(tenant: Tenant) -> None:
    row = assign_book(tenant=tenant, book=francs(), now=NOW)
    ended = end_assignment(assignment=row, now=NOW + HOUR)
    assert ended.ends_at == NOW + HOUR
    assert book_of(tenant=tenant, at=NOW + HOUR).is_default

    # A later end, or the same one, is none: it has ended.
    assert end_assignment(assignment=row, now=NOW + 2 * HOUR).ends_at == NOW + HOUR


def test_what_has_not_begun_is_withdrawn(tenant: Tenant) -> None:
    row = assign_book(tenant=tenant, book=francs(), now=NOW, starts_at=NOW + 5 * HOUR)
    for _ in range(2):
        gone = end_assignment(assignment=row, now=NOW + HOUR)
        assert gone.ends_at == gone.starts_at == NOW + 5 * HOUR
    assert spans(tenant) == []


def test_the_database_refuses_two_books_at_once(tenant: Tenant) -> None:
    assign_book(tenant=tenant, book=francs(), now=NOW)
    with (
        pytest.raises(IntegrityError, match="pricing_pricebookassignment_apart"),
        transaction.atomic(OPERATOR),
    ):
        PriceBookAssignment.objects.create(
            tenant=tenant, book=francs(), starts_at=NOW + HOUR
        )
    with (
        pytest.raises(IntegrityError, match="has_length"),
        transaction.atomic(OPERATOR),
    ):
        PriceBookAssignment.objects.create(
            tenant=tenant, book=francs(), starts_at=NOW - HOUR, ends_at=NOW - HOUR
        )


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_assignments_leaves_what_was_said_last(
    tenant: Tenant, seed: int
) -> None:
    """Held against an oracle that notes the book of each hour."""
    chance = random.Random(seed)
    books = [francs() for _ in range(3)]
    hours: list[PriceBook | None] = [None] * 24
    for _ in range(12):
        book, start = chance.choice(books), chance.randrange(24)
        end = chance.choice([None, *range(start + 1, 25)])
        assign_book(
            tenant=tenant,
            book=book,
            now=NOW,
            starts_at=NOW + start * HOUR,
            ends_at=None if end is None else NOW + end * HOUR,
        )
        hours[start:end] = [book] * (len(hours[start:end]))

    found = [book_of(tenant=tenant, at=NOW + hour * HOUR) for hour in range(24)]
    assert [None if book.is_default else book for book in found] == hours
