"""Explain a line of an invoice: to the days it charges, and each day to its requests.

A line of use is the sum of what was posted of days, and a day the sum of its events:
both sums are shown beside what they must equal. Of a day some may be on other invoices,
or on none yet: that is shown too. A line that is no use says in its document how it
came about.

Failure: none of its own; what does not add up is shown as it is, and `reconcile` tells.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any
from uuid import UUID

from kit.contracts import EventKind
from kit.errors import NotFound
from kit.orm.atomic import cursor
from metering.billing.marks import ChargedDay, charged_days
from metering.billing.models import Invoice, InvoiceLine
from metering.ledger.models import DayPosting

_USE = frozenset({InvoiceLine.Kind.USAGE, InvoiceLine.Kind.ADJUSTMENT})
# Events of a day at one price: requests through bounds of their ids, corrections
# through the ids of what they correct.
_EVENTS = """
WITH day AS (
    SELECT starts_at, ends_at FROM usage_billingday
    WHERE tenant_id = %(tenant)s AND date = %(date)s
),
fact AS (
    SELECT event.* FROM day CROSS JOIN LATERAL (
        SELECT * FROM usage_event event
        WHERE event.tenant_id = %(tenant)s AND event.kind = 0
            AND event.request_id >= usage_uuid_floor(day.starts_at)
            AND event.request_id < usage_uuid_floor(day.ends_at + interval '1 ms')
            AND event.admitted_at >= day.starts_at AND event.admitted_at < day.ends_at
            AND event.price_id = %(price)s
        OFFSET 0
    ) event
    UNION ALL
    SELECT event.* FROM day CROSS JOIN LATERAL (
        SELECT event.* FROM usage_correction correction
        JOIN usage_event event ON event.tenant_id = correction.tenant_id
            AND event.request_id = correction.request_id
        WHERE correction.tenant_id = %(tenant)s
            AND correction.corrects >= usage_uuid_floor(day.starts_at)
            AND correction.corrects < usage_uuid_floor(day.ends_at + interval '1 ms')
            AND event.admitted_at >= day.starts_at AND event.admitted_at < day.ends_at
            AND event.price_id = %(price)s
        OFFSET 0
    ) event
),
counted AS (
    SELECT request_id, admitted_at, kind, corrects, CASE %(token_class)s
        WHEN 1 THEN input_tokens WHEN 2 THEN cached_input_tokens
        ELSE output_tokens END AS quantity
    FROM fact
)
"""
_COUNT = "SELECT count(*), coalesce(sum(quantity), 0) FROM counted"
_TOTAL = _EVENTS + _COUNT
_PAGE = (
    _EVENTS
    + """
SELECT request_id, admitted_at, kind, corrects, quantity FROM counted
WHERE quantity <> 0 AND (%(after)s::uuid IS NULL OR request_id > %(after)s)
ORDER BY request_id LIMIT %(size)s
"""
)


@dataclass(frozen=True, slots=True)
class LineExplained:
    """A line, and the days that it charges; none where it is no use."""

    line: InvoiceLine
    days: tuple[ChargedDay, ...]

    @property
    def quantity(self) -> int:
        """Return the tokens of all days: what the line must say."""
        return sum(day.quantity for day in self.days)

    @property
    def charge_picos(self) -> int:
        """Return the charge of all days: what the line must say."""
        return sum(day.charge_picos for day in self.days)


@dataclass(frozen=True, slots=True)
class CountedEvent:
    """One request, or a correction of one, with its tokens of the line's class."""

    request_id: UUID
    admitted_at: dt.datetime
    kind: EventKind
    corrects: UUID | None
    quantity: int
    charge_picos: int


@dataclass(frozen=True, slots=True)
class DayExplained:
    """A day of a line: what this invoice charges of it, others do, and its events.

    What this one and others charge is `events_quantity`, but for what was not posted
    yet. The next page has the events after `after`, None for the last page.
    """

    day: ChargedDay
    elsewhere_quantity: int
    elsewhere_picos: int
    events_count: int
    events_quantity: int
    events_picos: int
    events: tuple[CountedEvent, ...]
    after: UUID | None


def line_at(invoice: Invoice, position: int) -> InvoiceLine:
    """Return an invoice's line by its position; raises `NotFound`."""
    line = InvoiceLine.objects.filter(invoice=invoice, position=position).first()
    if line is None:
        raise NotFound(f"Invoice {invoice.pk} has no line {position}.")
    return line


def explain_line(invoice: Invoice, line: InvoiceLine) -> LineExplained:
    """Return the days that a line charges."""
    if line.kind not in _USE or line.price_id is None or line.token_class is None:
        return LineExplained(line, ())
    found = charged_days(invoice, price_id=line.price_id, token_class=line.token_class)
    first_date = invoice.first_date or dt.date.min
    adjusts = line.kind == InvoiceLine.Kind.ADJUSTMENT
    days = [
        day for day in found if (day.date < first_date) is adjusts and _is_of(line, day)
    ]
    return LineExplained(line, tuple(_at_its_price(invoice, line, days)))


def explain_day(
    explained: LineExplained,
    date: dt.date,
    *,
    after: UUID | None = None,
    size: int,
) -> DayExplained:
    """Return a day of a line with a page of its events; raises `NotFound`."""
    line = explained.line
    day = next((each for each in explained.days if each.date == date), None)
    if day is None:
        raise NotFound(f"Line {line.position} charges nothing of {date}.")
    unit = line.unit_picos or 0
    asked: dict[str, Any] = {
        "tenant": line.tenant_id,
        "date": date,
        "price": line.price_id,
        "token_class": line.token_class,
    }
    with cursor() as session:
        session.execute(_TOTAL, asked)
        count, quantity = session.fetchone() or (0, 0)
        session.execute(_PAGE, {**asked, "after": after, "size": size + 1})
        events = [
            CountedEvent(pk, at, EventKind(kind), corrects, tokens, tokens * unit)
            for pk, at, kind, corrects, tokens in session.fetchall()
        ]
    posted = DayPosting.objects.filter(
        tenant_id=line.tenant_id,
        date=date,
        price_id=asked["price"],
        token_class=asked["token_class"],
    ).values_list("quantity", "charge_picos")
    posted_quantity = sum(each for each, _ in posted)
    posted_picos = sum(int(each) for _, each in posted)
    return DayExplained(
        day=day,
        elsewhere_quantity=posted_quantity - day.quantity,
        elsewhere_picos=posted_picos - day.charge_picos,
        events_count=count,
        events_quantity=int(quantity),
        events_picos=int(quantity) * unit,
        events=tuple(events[:size]),
        after=events[size - 1].request_id if len(events) > size else None,
    )


def _is_of(line: InvoiceLine, day: ChargedDay) -> bool:
    """Tell whether an adjustment's day is of the period that the line names."""
    if line.kind != InvoiceLine.Kind.ADJUSTMENT or not line.key:
        return True
    return line.key.split("/")[1] == str(day.period_start)


def _at_its_price(
    invoice: Invoice, line: InvoiceLine, days: Sequence[ChargedDay]
) -> Sequence[ChargedDay]:
    """Leave out the days whose tokens a component of a plan charges instead.

    Which components those are follows from the sum: the line says what is left.
    """
    spans = sorted(
        {
            (each["first_date"], each["end_date"])
            for each in InvoiceLine.objects.filter(
                invoice=invoice, kind=InvoiceLine.Kind.COMPONENT
            ).values_list("document", flat=True)
            if "first_date" in each
        }
    )
    for count in range(len(spans) + 1):
        for taken in combinations(spans, count):
            left = [day for day in days if not _lies_in(day, taken)]
            if sum(day.quantity for day in left) == line.quantity:
                return left
    return days


def _lies_in(day: ChargedDay, spans: Iterable[tuple[str, str]]) -> bool:
    return any(first <= str(day.date) < end for first, end in spans)
