"""What the finance page was asked to show: its address is its state. Pure.

Dates are days as people say them, both included; the last 24 hours are instants.
Failure: none of its own. What may not be chosen is refused by `form`, before a choice
is made of it.
"""

import datetime as dt
import enum
from dataclasses import dataclass
from urllib.parse import urlencode

from metering.usage.selectors import Dimension, UsageQuery
from tenants.models import Tenant

ONE_DAY = dt.timedelta(days=1)
ONE_HOUR = dt.timedelta(hours=1)
DAYS_MAX = 92
"""More columns than that cannot be told apart."""
HOUR_DAYS_MAX = 7
HOUR_DAYS_USUAL = 3


class Span(enum.StrEnum):
    """A range that moves with the clock, so that a link to it stays true."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    THIS_MONTH = "month"
    LAST_MONTH = "last-month"


class Show(enum.StrEnum):
    """What the chart measures."""

    SPEND = "spend"
    TOKENS = "tokens"
    REQUESTS = "requests"


class Each(enum.StrEnum):
    """How much time a column of the chart stands for."""

    HOUR = "hour"
    DAY = "day"


class By(enum.StrEnum):
    """What usage is divided by."""

    MODEL = "model"
    TENANT = "tenant"
    PROJECT = "project"
    KEY = "key"

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """Return what to ask the selector: a name alone may not say whose it is."""
        return _DIMENSIONS[self]

    @property
    def noun(self) -> str:
        """Return our word for it."""
        return "API key" if self is By.KEY else self.value

    @property
    def heading(self) -> str:
        """Return our word for it, as a heading begins."""
        return self.noun[0].upper() + self.noun[1:]


_DIMENSIONS = {
    By.MODEL: (Dimension.MODEL,),
    By.TENANT: (Dimension.TENANT,),
    By.PROJECT: (Dimension.TENANT, Dimension.PROJECT),
    By.KEY: (Dimension.TENANT, Dimension.PROJECT, Dimension.KEY),
}


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open range as the selector takes it: of bare dates, or of instants.

    `span` is None for days of the reader's own.
    """

    start: dt.date
    end: dt.date
    span: Span | None = None

    @property
    def is_hours(self) -> bool:
        """Tell whether the range is no whole days."""
        return isinstance(self.start, dt.datetime)

    @property
    def days(self) -> int:
        """Return how many days long it is."""
        return (self.end - self.start).days

    @property
    def last(self) -> dt.date:
        """Return the last day in it."""
        return self.end - ONE_DAY


@dataclass(frozen=True, slots=True)
class Choice:
    """A range, of one tenant or all, of one model or all, and how it is shown.

    `each` is None where no chart has room for the range.
    """

    period: Period
    tenant: Tenant | None = None
    model: str | None = None
    by: By = By.MODEL
    show: Show = Show.SPEND
    each: Each | None = Each.DAY

    def question(self, *more: Dimension) -> UsageQuery:
        """Return the question to the usage selector, divided by `by` and `more`."""
        return UsageQuery(
            start=self.period.start,
            end=self.period.end,
            group_by=(*more, *self.by.dimensions),
            tenant_id=self.tenant.pk if self.tenant else None,
            model=self.model,
        )

    def address(self, **changes: str) -> str:
        """Return the query of the same page with other parameters, by their names."""
        own = self.period.span is None
        asked = {
            "range": self.period.span or "",
            "from": f"{self.period.start}" if own else "",
            "to": f"{self.period.last}" if own else "",
            "tenant": self.tenant.slug if self.tenant else "",
            "model": self.model or "",
            "by": self.by,
            "show": self.show,
            "each": self.each
            if self.each not in {None, usual_each(self.period)}
            else "",
        }
        asked |= changes
        if "range" in changes:
            asked |= {"from": "", "to": "", "each": ""}
        usual = {"by": By.MODEL, "show": Show.SPEND}
        return "?" + urlencode(
            {
                name: value
                for name, value in asked.items()
                if value and usual.get(name) != value
            }
        )


def usual_each(period: Period) -> Each | None:
    """Return what a column stands for unless the reader chooses."""
    if period.is_hours or period.days <= HOUR_DAYS_USUAL:
        return Each.HOUR
    return Each.DAY if period.days <= DAYS_MAX else None


def possible_each(period: Period) -> tuple[Each, ...]:
    """Return what a column of a chart of this range may stand for."""
    hours = period.is_hours or period.days <= HOUR_DAYS_MAX
    days = not period.is_hours and 1 < period.days <= DAYS_MAX
    return (Each.HOUR,) * hours + (Each.DAY,) * days


def period_of(span: Span, *, now: dt.datetime, today: dt.date) -> Period:
    """Return the range that a span comes to now, `today` being the reader's day."""
    if span is Span.DAY:
        end = now.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
        return Period(end - 23 * ONE_HOUR, end + ONE_HOUR, span)
    if span in {Span.WEEK, Span.MONTH}:
        days = 7 if span is Span.WEEK else 30
        return Period(today - (days - 1) * ONE_DAY, today + ONE_DAY, span)
    month = today.replace(day=1)
    if span is Span.LAST_MONTH:
        return Period((month - ONE_DAY).replace(day=1), month, span)
    return Period(month, (month + 31 * ONE_DAY).replace(day=1), span)


@dataclass(frozen=True, slots=True)
class Option:
    """A link to the same page with one thing chosen otherwise."""

    label: str
    address: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Options:
    """All that is a click away; a control without a choice is empty."""

    ranges: list[Option]
    by: list[Option]
    show: list[Option]
    each: list[Option]


_RANGE_LABELS = {
    Span.DAY: "24 hours",
    Span.WEEK: "7 days",
    Span.MONTH: "30 days",
    Span.THIS_MONTH: "This month",
    Span.LAST_MONTH: "Last month",
}


def options(choice: Choice) -> Options:
    """Return the links to what else could be shown."""
    each = possible_each(choice.period)
    return Options(
        ranges=[
            Option(label, choice.address(range=span), span is choice.period.span)
            for span, label in _RANGE_LABELS.items()
        ],
        by=[Option(by.heading, choice.address(by=by), by is choice.by) for by in By],
        show=[
            Option(show.capitalize(), choice.address(show=show), show is choice.show)
            for show in Show
        ],
        each=[
            Option(f"{one.capitalize()}s", choice.address(each=one), one is choice.each)
            for one in each
        ]
        if len(each) > 1
        else [],
    )
