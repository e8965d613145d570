"""Say by which book a tenant pays, and from when on.

A tenant's assignments are spans that never overlap; where there is none it pays by its
currency's default book. What is over never changes: requests were rated by it. Failure:
a refused change raises `Conflict` or `InvalidRequest` and writes nothing.
"""

import datetime as dt

from django.db.models import Q

from kit.errors import InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.audited import tell, values
from kit.orm.saving import change, create
from metering.pricing.announcing import announce
from metering.pricing.instants import require_ahead, require_aware, shown
from metering.pricing.models import PriceBook, PriceBookAssignment
from tenants.models import Tenant


def assign_book(
    *,
    tenant: Tenant,
    book: PriceBook,
    now: dt.datetime,
    starts_at: dt.datetime | None = None,
    ends_at: dt.datetime | None = None,
) -> PriceBookAssignment:
    """Let a tenant pay by a book from `starts_at`, or `now`, until `ends_at`, or on.

    What was assigned for that time gives way. Doing it again changes nothing. Raises
    `InvalidRequest` when their currencies differ, for an invoice has one, and
    `Conflict` for a time that is over.
    """
    start = starts_at or now
    require_ahead(start, now=now, param="starts_at")
    _require_length(start, ends_at)
    if book.derived_for_id is not None:
        raise InvalidRequest(f"{book} is a contract's own book.", param="book")
    if tenant.currency != book.currency:
        raise InvalidRequest(
            f"Tenant '{tenant.slug}' pays in {tenant.currency}, "
            f"price book '{book}' is in {book.currency}.",
            param="book",
        )
    with atomic():
        _lock(tenant)
        known = _overlapping(tenant, start, ends_at)
        if len(known) == 1 and _covers(known[0], book, start, ends_at):
            return known[0]
        return lay(tenant=tenant, book=book, start=start, end=ends_at)


def end_assignment(
    *,
    assignment: PriceBookAssignment,
    now: dt.datetime,
    ends_at: dt.datetime | None = None,
) -> PriceBookAssignment:
    """Let a tenant pay by the default book again from `ends_at`, or `now`, on.

    One that has not begun by then is withdrawn: it is returned as ending where it would
    have begun. Doing it again changes nothing. Raises `Conflict` for a time that is
    over, and for one behind the end that is known.
    """
    end = ends_at or now
    require_aware(end, param="ends_at")
    with atomic():
        _lock(assignment.tenant)
        row = PriceBookAssignment.objects.filter(pk=assignment.pk).first()
        if row is None:
            assignment.ends_at = assignment.starts_at
            return assignment
        if row.ends_at is not None and row.ends_at <= end:
            return row
        require_ahead(end, now=now, param="ends_at")
        if row.starts_at >= end:
            _withdraw(row)
            row.ends_at = row.starts_at
        else:
            change(row, {"ends_at": end}, action="end")
        announce(f"tenant {row.tenant_id}")
        return row


def lay(
    *, tenant: Tenant, book: PriceBook, start: dt.datetime, end: dt.datetime | None
) -> PriceBookAssignment:
    """Put a book into a tenant's time, and let what is there give way; tell gateways.

    What reaches beyond `end` holds again from there on. The caller holds the tenant's
    lock, and has seen that `start` is not over.
    """
    for row in _overlapping(tenant, start, end):
        _give_way(row, start, end)
    row = PriceBookAssignment(tenant=tenant, book=book, starts_at=start, ends_at=end)
    create(row, action="assign")
    announce(f"tenant {tenant.pk}")
    return row


def _give_way(
    row: PriceBookAssignment, start: dt.datetime, end: dt.datetime | None
) -> None:
    """Keep of a row what lies before `start` and from `end` on."""
    until = row.ends_at
    if row.starts_at < start:
        change(row, {"ends_at": start}, action="end")
    else:
        _withdraw(row)
    if end is not None and (until is None or until > end):
        rest = PriceBookAssignment(
            tenant=row.tenant, book=row.book, starts_at=end, ends_at=until
        )
        create(rest, action="assign")


def _withdraw(row: PriceBookAssignment) -> None:
    tell(row, action="withdraw", before=values(row))
    PriceBookAssignment.objects.filter(pk=row.pk).delete()


def _overlapping(
    tenant: Tenant, start: dt.datetime, end: dt.datetime | None
) -> list[PriceBookAssignment]:
    rows = PriceBookAssignment.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=start), tenant=tenant
    )
    if end is not None:
        rows = rows.filter(starts_at__lt=end)
    return list(rows.select_related("tenant", "book").order_by("starts_at"))


def _covers(
    row: PriceBookAssignment,
    book: PriceBook,
    start: dt.datetime,
    end: dt.datetime | None,
) -> bool:
    """Tell whether a row already says what shall be said."""
    return row.book_id == book.pk and row.starts_at <= start and row.ends_at == end


def _require_length(start: dt.datetime, end: dt.datetime | None) -> None:
    if end is None:
        return
    require_aware(end, param="ends_at")
    if end <= start:
        raise InvalidRequest(
            f"It would end at {shown(end)}, which is not after it begins.",
            param="ends_at",
        )


def _lock(tenant: Tenant) -> None:
    """Let one writer at a time change what a tenant pays by; usage goes on."""
    Tenant.objects.select_for_update(no_key=True).get(pk=tenant.pk)
