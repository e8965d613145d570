"""What a tenant spent in its running period, by project, key or member: one reading.

It is the usage report's answer for the period's days, as far as the member may see.

Failure: where the calendar is not written yet, or more would be added up than a report
holds, there is none, and pages say so instead of a zero.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet

from kit.acting import current
from kit.errors import InvalidRequest, NotFound
from metering.usage.periods import period_of, running_period
from metering.usage.selectors import Dimension, UsageQuery, usage
from metering.usage.spans import Span
from pages.design.cells import Cell, money, nothing
from pages.design.heading import Fresh, fresh
from tenants.models import Tenant

AnyRow = TypeVar("AnyRow", bound=Model)

_ONE_DAY = dt.timedelta(days=1)
_IDS = {Dimension.PROJECT: "project_id", Dimension.KEY: "api_key_id"}


@dataclass(frozen=True, slots=True)
class Spending:
    """Spend in picos by the ids of what it was divided by; what is missing spent 0."""

    span: Span
    picos: Mapping[int, int]
    fresh: Fresh

    @property
    def total(self) -> int:
        """Return what all of it comes to."""
        return sum(self.picos.values())


def running(tenant: Tenant, *, now: dt.datetime) -> Span | None:
    """Return the running period; None where the calendar does not reach."""
    try:
        return running_period(tenant_id=tenant.pk, at=now)
    except NotFound:
        return None


def spending(tenant: Tenant, by: Dimension, *, now: dt.datetime) -> Spending | None:
    """Return what each spent in the running period so far; None where none can say."""
    span = running(tenant, now=now)
    if span is None:
        return None
    return _read(tenant, by, span, span.first_date, span.end_date, now)


def spending_before(
    tenant: Tenant, by: Dimension, *, now: dt.datetime
) -> Spending | None:
    """Return the same of the period before, as far as this one has come."""
    span = running(tenant, now=now)
    if span is None:
        return None
    try:
        before = period_of(tenant_id=tenant.pk, date=span.first_date - _ONE_DAY)
    except NotFound:
        return None
    until = min(before.starts_at + (now - span.starts_at), before.ends_at)
    if until <= before.starts_at:
        return None
    return _read(tenant, by, before, before.starts_at, until, now)


def spent(found: Spending | None, row_id: int, currency: str) -> Cell:
    """Return the cell of what one of them spent."""
    if found is None:
        return nothing("not yet")
    return money(found.picos.get(row_id, 0), currency)


class BySpend(Generic[AnyRow]):
    """Rows by their spend: which go on a page is known before any row is read."""

    def __init__(
        self, rows: QuerySet[AnyRow], found: Spending | None, *, is_falling: bool
    ) -> None:
        self._rows = rows
        picos = {pk: each for pk, each in found.picos.items() if each} if found else {}
        spent = rows.filter(pk__in=picos).order_by("-pk").values_list("pk", flat=True)
        ids = sorted(spent, key=lambda each: picos[each], reverse=is_falling)
        # Those that spent nothing are any number, and stand between the two.
        self._first = [each for each in ids if (picos[each] > 0) is is_falling]
        self._last = ids[len(self._first) :]
        self._quiet = rows.exclude(pk__in=ids).order_by("-pk")

    def __getitem__(self, part: slice) -> list[AnyRow]:
        start, stop = int(part.start or 0), int(part.stop)
        ids = self._first[start:stop]
        found = {row.pk: row for row in self._rows.filter(pk__in=ids)}
        page = [found[each] for each in ids if each in found]
        skipped = max(start - len(self._first), 0)
        page += self._quiet[skipped : skipped + stop - start - len(ids)]
        if self._last and len(page) < stop - start:
            passed = len(self._first) + self._quiet.count()
            rest = self._last[max(start - passed, 0) : max(stop - passed, 0)]
            found = {row.pk: row for row in self._rows.filter(pk__in=rest)}
            page += [found[each] for each in rest if each in found]
        return page


def _read(
    tenant: Tenant,
    by: Dimension,
    span: Span,
    start: dt.datetime | dt.date,
    end: dt.datetime | dt.date,
    now: dt.datetime,
) -> Spending | None:
    asked = UsageQuery(
        start=start,
        end=end,
        group_by=(by,),
        tenant_id=tenant.pk,
        reach=current().project_ids,
    )
    try:
        found = usage(asked, now=now)
    except InvalidRequest:
        return None
    picos: dict[int, int] = {}
    for row in found.rows:
        row_id = getattr(row.group, _IDS[by])
        if row_id is not None and row.currency == tenant.currency:
            picos[row_id] = picos.get(row_id, 0) + row.charge_picos
    return Spending(span, picos, fresh(found.complete_to, now=now))
