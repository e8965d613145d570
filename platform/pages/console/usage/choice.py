"""What the usage page was asked to show: its address is its state. Pure.

A range is half-open: of bare dates, the tenant's billing days, or of instants. Presets
move with the clock, so that a link to one stays true. What a column stands for follows
from how long the range is: few enough to be told apart, and cheap enough to be counted.

Failure: none of its own. What may not be chosen is refused by `form`.
"""

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from metering.usage.selectors import Dimension, UsageQuery
from metering.usage.zones import day_start
from tenants.models import Tenant

ONE_DAY, ONE_HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)
ONE_MINUTE = dt.timedelta(minutes=1)
LOCAL = "%Y-%m-%dT%H:%M"


class Span(enum.StrEnum):
    """A range that moves with the clock."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    PERIOD = "period"
    LAST_PERIOD = "last-period"


class By(enum.StrEnum):
    """What usage is divided by; any two of them together."""

    MODEL = "model"
    PROJECT = "project"
    KEY = "key"
    MEMBER = "member"

    @property
    def dimension(self) -> Dimension:
        """Return what to ask the selector."""
        return Dimension(self.value)

    @property
    def noun(self) -> str:
        """Return our word for it."""
        return "API key" if self is By.KEY else self.value

    @property
    def heading(self) -> str:
        """Return our word for it, as a heading begins."""
        return self.noun[0].upper() + self.noun[1:]


class Show(enum.StrEnum):
    """What the columns measure."""

    SPEND = "spend"
    TOKENS = "tokens"
    REQUESTS = "requests"


class Bucket(enum.StrEnum):
    """What one column stands for."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"

    @property
    def dimension(self) -> Dimension:
        """Return what to ask the selector; months are put together from days."""
        return Dimension.DAY if self is Bucket.MONTH else Dimension(self.value)


# From so long a range on, and up to so long a one, columns may stand for it.
_REACH: Final[Mapping[Bucket, tuple[dt.timedelta, dt.timedelta]]] = {
    Bucket.MINUTE: (ONE_MINUTE, 3 * ONE_HOUR),
    Bucket.HOUR: (2 * ONE_HOUR, 7 * ONE_DAY),
    Bucket.DAY: (2 * ONE_DAY, 93 * ONE_DAY),
    Bucket.MONTH: (32 * ONE_DAY, 1100 * ONE_DAY),
}
# Where several may, this is the one unless the reader chooses.
_USUAL: Final = (
    (3 * ONE_HOUR, Bucket.MINUTE),
    (3 * ONE_DAY, Bucket.HOUR),
    (93 * ONE_DAY, Bucket.DAY),
    (1100 * ONE_DAY, Bucket.MONTH),
)


@dataclass(frozen=True, slots=True)
class Range:
    """A half-open range; `starts_at` and `ends_at` are the instants it comes to."""

    start: dt.date
    end: dt.date
    zone: str
    span: Span | None = None

    @property
    def is_days(self) -> bool:
        """Tell whether it is whole billing days, which rollups answer alone."""
        return not isinstance(self.start, dt.datetime)

    @property
    def starts_at(self) -> dt.datetime:
        """Return the instant at which it begins."""
        return _instant(self.start, self.zone)

    @property
    def ends_at(self) -> dt.datetime:
        """Return the instant at which it ends."""
        return _instant(self.end, self.zone)

    @property
    def length(self) -> dt.timedelta:
        """Return how long it is; days are told by their dates, whatever clocks did."""
        if self.is_days:
            return self.end - self.start
        return self.ends_at - self.starts_at

    def buckets(self) -> tuple[Bucket, ...]:
        """Return what a column may stand for."""
        return tuple(
            bucket
            for bucket, (least, most) in _REACH.items()
            if least <= self.length <= most
        )

    def usual_bucket(self) -> Bucket | None:
        """Return what a column stands for; None where no chart has room."""
        return next((each for most, each in _USUAL if self.length <= most), None)


def _instant(bound: dt.date, zone: str) -> dt.datetime:
    if isinstance(bound, dt.datetime):
        return bound.astimezone(dt.UTC)
    return day_start(bound, zone)


@dataclass(frozen=True, slots=True)
class Only:
    """What the page is narrowed to, by the names of its parameters."""

    model: str = ""
    project: int | None = None
    key: int | None = None
    member: int | None = None

    def parameters(self) -> dict[str, str]:
        """Return it as it stands in an address."""
        return {
            "model": self.model,
            "project": f"{self.project or ''}",
            "key": f"{self.key or ''}",
            "member": f"{self.member or ''}",
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """Everything that an address says, filled up with what is usual."""

    tenant: Tenant
    range: Range
    by: By = By.MODEL
    then: By | None = None
    show: Show = Show.SPEND
    bucket: Bucket | None = Bucket.DAY
    only: Only = Only()

    @property
    def parts(self) -> tuple[By, ...]:
        """Return what rows are divided by, one or two."""
        return (self.by,) if self.then is None else (self.by, self.then)

    def question(
        self,
        start: dt.date,
        end: dt.date,
        *more: Dimension,
        reach: frozenset[int] | None,
    ) -> UsageQuery:
        """Return the question to the usage selector about some range."""
        return UsageQuery(
            start=start,
            end=end,
            group_by=(*more, *(each.dimension for each in self.parts)),
            tenant_id=self.tenant.pk,
            project_id=self.only.project,
            api_key_id=self.only.key,
            member_id=self.only.member,
            model=self.only.model or None,
            reach=reach,
        )

    def address(self, **changes: str) -> str:
        """Return the query of the same page with other parameters, by their names."""
        own = self.range.span is None
        asked = {
            "range": self.range.span or "",
            "from": local(self.range.start, self.range.zone) if own else "",
            "until": local(self.range.end, self.range.zone) if own else "",
            "by": self.by,
            "then": self.then or "",
            "show": self.show,
            "bucket": self.bucket or "",
            **self.only.parameters(),
        }
        if {"range", "from", "until"} & set(changes):
            asked |= {"range": "", "from": "", "until": "", "bucket": ""}
        asked |= changes
        usual = {
            "range": Span.PERIOD.value,
            "by": By.MODEL.value,
            "show": Show.SPEND.value,
        }
        if not {"range", "from", "until"} & set(changes):
            usual["bucket"] = self.range.usual_bucket() or ""
        return "?" + urlencode(
            {
                name: value
                for name, value in asked.items()
                if value and usual.get(name) != value
            }
        )


def local(bound: dt.date, zone: str) -> str:
    """Return a bound as it stands in an address: on the tenant's clocks."""
    if isinstance(bound, dt.datetime):
        return f"{bound.astimezone(ZoneInfo(zone)):{LOCAL}}"
    return f"{bound}T00:00"


@dataclass(frozen=True, slots=True)
class Option:
    """A link to the same page with one thing chosen otherwise."""

    label: str
    address: str
    is_current: bool


_LABELS: Final = {
    Span.HOUR: "1 hour",
    Span.DAY: "24 hours",
    Span.WEEK: "7 days",
    Span.MONTH: "30 days",
    Span.PERIOD: "This period",
    Span.LAST_PERIOD: "Last period",
}


def options(choice: Choice) -> list[tuple[str, list[Option]]]:
    """Return the links to what else could be shown, by their labels."""
    ranges = [
        Option(label, choice.address(range=span), span is choice.range.span)
        for span, label in _LABELS.items()
    ]
    by = [
        Option(
            each.heading,
            choice.address(by=each, then="" if each is choice.then else _then(choice)),
            each is choice.by,
        )
        for each in By
    ]
    then = [
        Option("Nothing more", choice.address(then=""), choice.then is None),
        *(
            Option(each.heading, choice.address(then=each), each is choice.then)
            for each in By
            if each is not choice.by
        ),
    ]
    shown = [
        Option(each.capitalize(), choice.address(show=each), each is choice.show)
        for each in Show
    ]
    buckets = [
        Option(
            f"{each.capitalize()}s", choice.address(bucket=each), each is choice.bucket
        )
        for each in choice.range.buckets()
    ]
    found = [("Range", ranges), ("By", by), ("and", then), ("Show", shown)]
    return [*found, ("Columns", buckets)] if len(buckets) > 1 else found


def _then(choice: Choice) -> str:
    return choice.then or ""
