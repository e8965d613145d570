"""What may be asked about usage, and what is answered. Pure.

An answer holds one row per combination of the dimensions asked for, always divided by
currency: amounts of different currencies are never added. Failure: a question that
makes no sense raises `InvalidRequest` and names the parameter.
"""

import datetime as dt
import enum
from dataclasses import dataclass, field

from kit.errors import InvalidRequest
from kit.money import decimal_from_picos

RAW_DAYS_MAX = 31
ROWS_MAX = 10_000
_EARLIEST = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_LATEST = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)


class TooManyRows(InvalidRequest):
    """An answer has more rows than are given at once."""


class Dimension(enum.StrEnum):
    """What an answer can be divided by."""

    TENANT = "tenant"
    PROJECT = "project"
    KEY = "key"
    MEMBER = "member"
    MODEL = "model"
    DAY = "day"
    HOUR = "hour"
    MINUTE = "minute"


# What only a key tells: the hours of years do not know it.
_OF_KEYS = frozenset({Dimension.PROJECT, Dimension.KEY, Dimension.MEMBER})


class Source(enum.Enum):
    """What an answer is put together from; what it holds in part comes from events."""

    DAYS = "day rollups"
    HOURS = "hour rollups"
    HOUR_TOTALS = "totals of hours"
    UTC_DAYS = "days and months of UTC"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """A question: half-open from `start` to `end`, divided and filtered.

    Each bound is an instant, or a bare date: the billing day of the tenant asked about,
    a UTC day where several tenants are. `project_id` or `api_key_id` imply their
    tenant. `reach` are the projects that whoever asks may see, None for all: what lies
    outside is as if it were not there. `day` means the same days; divided by `day` and
    `hour`, an hour in which a billing day begins has a row for each of the two days.
    A key's use is that of the member whose key it is. `among` are the only groups that
    are told apart, by all but time: the others are one row without names, so that a
    chart of a few parts costs no more rows than it draws. `tenants` are the only ones
    of several that are asked about.
    """

    start: dt.datetime | dt.date
    end: dt.datetime | dt.date
    group_by: tuple[Dimension, ...] = ()
    tenant_id: int | None = None
    project_id: int | None = None
    api_key_id: int | None = None
    member_id: int | None = None
    model: str | None = None
    reach: frozenset[int] | None = None
    among: "tuple[Group, ...] | None" = None
    tenants: frozenset[int] | None = None

    def __post_init__(self) -> None:
        for name, bound in (("start", self.start), ("end", self.end)):
            if isinstance(bound, dt.datetime):
                if bound.tzinfo is None:
                    raise InvalidRequest(
                        f"'{name}' needs an offset, such as 2026-01-31T00:00:00Z.",
                        param=name,
                    )
                if not _EARLIEST <= bound <= _LATEST:
                    raise InvalidRequest(
                        f"'{name}' lies outside 2000 to 2200.", param=name
                    )
            elif not _EARLIEST.date() <= bound <= _LATEST.date():
                raise InvalidRequest(f"'{name}' lies outside 2000 to 2200.", param=name)
        if len(set(self.group_by)) != len(self.group_by):
            raise InvalidRequest("'group_by' names a key twice.", param="group_by")

    @property
    def source(self) -> Source:
        """Return the sums that answer this most cheaply, and as exactly as any."""
        if self.is_about_several:
            if self._takes_hour_totals:
                return Source.HOUR_TOTALS
            if self._takes_utc_days:
                return Source.UTC_DAYS
        return self.source_without_totals

    @property
    def source_without_totals(self) -> Source:
        """Return the coarsest sums of single tenants that can answer this.

        Over several tenants days are those of UTC: whole hours of every tenant, though
        not whole billing days of each.
        """
        if Dimension.MINUTE in self.group_by:
            return Source.EVENTS
        if Dimension.HOUR in self.group_by:
            return Source.HOURS
        if self.is_about_several and not self.names_keys:
            return Source.HOURS
        return Source.DAYS

    @property
    def _takes_hour_totals(self) -> bool:
        """Tell whether it is about all tenants together."""
        told = {Dimension.TENANT, Dimension.MINUTE, *_OF_KEYS}
        return (
            told.isdisjoint(self.group_by)
            and self.tenants is None
            and self.reach is None
        )

    @property
    def _takes_utc_days(self) -> bool:
        """Tell whether it is about whole days of UTC, and nothing finer."""
        finer = {Dimension.HOUR, Dimension.MINUTE}
        return (
            finer.isdisjoint(self.group_by)
            and self.reach is None
            and _is_midnight(self.start)
            and _is_midnight(self.end)
        )

    @property
    def is_about_several(self) -> bool:
        """Tell whether no one tenant is named, be it by its project or key."""
        named = (self.tenant_id, self.project_id, self.api_key_id, self.member_id)
        return all(each is None for each in named)

    @property
    def names_keys(self) -> bool:
        """Tell whether projects or keys divide or filter.

        Only hours that are kept for a while know them.
        """
        return (
            not _OF_KEYS.isdisjoint(self.group_by)
            or self.project_id is not None
            or self.api_key_id is not None
            or self.member_id is not None
            or self.reach is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Counts of one row or total.

    `input_tokens` are the uncached ones: with `cached_input_tokens` they make the
    prompt. `reasoning_tokens` lie inside `output_tokens`.
    """

    currency: str
    requests: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    charge_picos: int = 0

    @property
    def charge(self) -> str:
        """Return the exact charge as a plain decimal, such as `1234.5`."""
        return decimal_from_picos(self.charge_picos)

    def plus(self, other: "Measures") -> "Measures":
        """Return the sum of two counts in one currency."""
        if self.currency != other.currency:
            raise ValueError("amounts of different currencies are never added")
        return Measures(
            currency=self.currency,
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            charge_picos=self.charge_picos + other.charge_picos,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What a row is about; a dimension that was not asked for is None.

    Hours and minutes are those of UTC, by the instant at which they begin. Tenants and
    projects are named by slug, keys by what may be shown of them, members by what they
    are called; use of a key that is nobody's has no member.
    """

    day: dt.date | None = None
    hour: dt.datetime | None = None
    minute: dt.datetime | None = None
    tenant_id: int | None = None
    tenant: str | None = None
    project_id: int | None = None
    project: str | None = None
    api_key_id: int | None = None
    api_key: str | None = None
    member_id: int | None = None
    member: str | None = None
    model: str | None = None
    is_told: bool = True
    """False of all that a question told nothing apart of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRow(Measures):
    """One row of an answer."""

    group: Group = field(default_factory=Group)


@dataclass(frozen=True, slots=True)
class UsageReport:
    """An answer: its rows in the order of their groups, and a total per currency.

    Everything admitted before `complete_to` is in it. `start` and `end` are the
    instants that the question's bounds came to.
    """

    rows: tuple[UsageRow, ...]
    totals: tuple[Measures, ...]
    start: dt.datetime
    end: dt.datetime
    complete_to: dt.datetime


def _is_midnight(bound: dt.date) -> bool:
    """Tell whether a day of UTC begins; a bare date is one."""
    if not isinstance(bound, dt.datetime):
        return True
    return bound.astimezone(dt.UTC).time() == dt.time()


def totals_of(rows: tuple[UsageRow, ...]) -> tuple[Measures, ...]:
    """Return the sum of the rows, one per currency, by currency."""
    totals: dict[str, Measures] = {}
    for row in rows:
        empty = Measures(currency=row.currency)
        totals[row.currency] = totals.get(row.currency, empty).plus(row)
    return tuple(totals[currency] for currency in sorted(totals))
