"""Explain a line of an invoice: to the days it charges, and each day to its requests.

A line of use is the sum of what was posted of days, and a day the sum of its events:
both sums are shown beside what they must equal. Of a day some may be on other invoices,
or on none yet: that is shown too. A component that counts tokens, or charges, is
explained by the days that it counted; what it made of them says the line's document, as
it does of every other line that is no use.

Failure: none of its own; what does not add up is shown as it is, and `reconcile` tells.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any
from uuid import UUID

from django.db import connections

from kit.contracts import EventKind
from kit.errors import NotFound
from kit.money import PICOS_PER_UNIT
from kit.orm.atomic import atomic, cursor
from kit.orm.roles import current_alias
from metering.billing.counting import counted_by, not_replaced
from metering.billing.explaining_sql import PAGE, TOTAL
from metering.billing.marks import ChargedDay, charged_days
from metering.billing.models import Invoice, InvoiceLine
from metering.ledger.models import DayPosting
from metering.subscriptions.terms import Meter

ROWS_AT_ONCE = 2_000
_USE = frozenset({InvoiceLine.Kind.USAGE, InvoiceLine.Kind.ADJUSTMENT})


@dataclass(frozen=True, slots=True)
class LineExplained:
    """A line, and what it charges or counts of days; nothing where it counts none.

    `counted` has a row for each day, price and class. `meter` is that of a component:
    what counts tokens is charged all together, and no day of it for itself.
    """

    line: InvoiceLine
    counted: tuple[ChargedDay, ...]
    meter: Meter | None = None

    @property
    def days(self) -> tuple[ChargedDay, ...]:
        """Return what it counts of each day."""
        days: dict[dt.date, ChargedDay] = {}
        for each in self.counted:
            known = days.get(each.date, replace(each, quantity=0, charge_picos=0))
            picos = 0 if self.meter is Meter.TOKENS else each.charge_picos
            days[each.date] = replace(
                known,
                quantity=known.quantity + each.quantity,
                charge_picos=known.charge_picos + picos,
            )
        return tuple(days.values())

    @property
    def quantity(self) -> int:
        """Return the tokens of all days: what a line that counts tokens must say."""
        return sum(each.quantity for each in self.counted)

    @property
    def charge_picos(self) -> int:
        """Return the charge of all days: what a line of use must say."""
        return sum(each.charge_picos for each in self.days)

    @property
    def adds_up(self) -> bool | None:
        """Tell whether the days are what the line says; None where it counts none."""
        if not self.counted:
            return None
        match self.meter:
            case None:
                return self.charge_picos == int(self.line.exact_picos)
            case Meter.CHARGE:
                stated = Fraction(str(self.line.document.get("quantity")))
                return self.charge_picos == stated * PICOS_PER_UNIT
            case _:
                return self.quantity == self.line.quantity


@dataclass(frozen=True, slots=True)
class CountedEvent:
    """One request, or a correction of one, with the tokens of it that a line counts.

    Its charge is that of these tokens; those that a component counts have none by
    themselves.
    """

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
    """Return the days that a line charges, or counts."""
    if line.kind == InvoiceLine.Kind.COMPONENT:
        meter, counted = counted_by(invoice, line)
        return LineExplained(line, tuple(counted), meter)
    if line.kind not in _USE or line.price_id is None or line.token_class is None:
        return LineExplained(line, ())
    found = charged_days(invoice, price_id=line.price_id, token_class=line.token_class)
    first_date = invoice.first_date or dt.date.min
    adjusts = line.kind == InvoiceLine.Kind.ADJUSTMENT
    days = [
        day for day in found if (day.date < first_date) is adjusts and _is_of(line, day)
    ]
    return LineExplained(line, tuple(not_replaced(invoice, days, model=line.model)))


def explain_day(
    explained: LineExplained,
    date: dt.date,
    *,
    after: UUID | None = None,
    size: int,
) -> DayExplained:
    """Return a day of a line with a page of its events.

    Raises `NotFound` for a day that the line counts nothing of, and for a component
    that counts charges: those are explained by the lines of use.
    """
    line, asked = explained.line, _asked(explained, date)
    # What a component counts is charged by the component, all of it together.
    unit = line.unit_picos or 0
    day = next(each for each in explained.days if each.date == date)
    with cursor() as session:
        session.execute(TOTAL, asked)
        count, quantity = session.fetchone() or (0, 0)
        session.execute(PAGE, {**asked, "after": after, "size": size + 1})
        events = [_event(row, unit) for row in session.fetchall()]
    posted = DayPosting.objects.filter(
        tenant_id=line.tenant_id,
        date=date,
        price_id__in=asked["prices"],
        token_class__in=asked["classes"],
    ).values_list("quantity", flat=True)
    elsewhere = sum(posted) - day.quantity
    return DayExplained(
        day=day,
        elsewhere_quantity=elsewhere,
        elsewhere_picos=elsewhere * unit,
        events_count=count,
        events_quantity=int(quantity),
        events_picos=int(quantity) * unit,
        events=tuple(events[:size]),
        after=events[size - 1].request_id if len(events) > size else None,
    )


def every_event(explained: LineExplained, date: dt.date) -> Iterator[CountedEvent]:
    """Yield all events of a day of a line, however many, through a cursor.

    Raises `NotFound`, as `explain_day` does, before the first one.
    """
    asked = {**_asked(explained, date), "after": None, "size": None}
    unit = explained.line.unit_picos or 0
    # The cursor lives as long as its transaction.
    with atomic(), connections[current_alias()].chunked_cursor() as session:
        session.execute(PAGE, asked)
        while found := session.fetchmany(ROWS_AT_ONCE):
            for row in found:
                yield _event(row, unit)


def _asked(explained: LineExplained, date: dt.date) -> dict[str, Any]:
    """Return what the events of a day of a line are asked for with."""
    line = explained.line
    counted = [each for each in explained.counted if each.date == date]
    if not counted:
        raise NotFound(f"Line {line.position} charges nothing of {date}.")
    if explained.meter is Meter.CHARGE:
        raise NotFound(
            f"Line {line.position} is a share of what use is charged: its requests are "
            "those of the lines of use."
        )
    return {
        "tenant": line.tenant_id,
        "date": date,
        "prices": sorted({each.price_id for each in counted}),
        "classes": sorted({each.token_class for each in counted}),
    }


def _event(row: Sequence[Any], unit_picos: int) -> CountedEvent:
    pk, at, kind, corrects, tokens = row
    return CountedEvent(pk, at, EventKind(kind), corrects, tokens, tokens * unit_picos)


def _is_of(line: InvoiceLine, day: ChargedDay) -> bool:
    """Tell whether an adjustment's day is of the period that the line names."""
    if line.kind != InvoiceLine.Kind.ADJUSTMENT or not line.key:
        return True
    return line.key.split("/")[1] == str(day.period_start)
