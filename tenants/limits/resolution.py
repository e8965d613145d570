"""Which limits hold for a call at an instant, and where each comes from.

A limit takes a *place*: so much of something for one tenant, project or API key, of one
served model or of all, hard or soft. Of the operators' rows for a place one holds: its
holder's own before the plan's default, and one that runs until a date before the one
that is there for good, which so holds again at that instant. Beside it stands the
tenant's own row. The lower of the two is in effect: a tenant lowers, and never raises,
what it may use.

Places do not hide each other. What is limited for a key, its project and its tenant, of
its model and of all models, hard and soft, holds at once: that is the chain of a call.

Failure: none. A row of somebody else, of another plan or of another currency is passed
over, whoever hands it in. Pure: time is an argument, and no row is read here.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

# From the widest to the narrowest.
LEVELS = ("tenant", "project", "api_key")


class Kind(StrEnum):
    """What a limit counts: flow, tokens or money."""

    RATE_LIMIT = "rate_limit"
    QUOTA = "quota"
    BUDGET = "budget"


@dataclass(frozen=True, slots=True, order=True)
class Measure:
    """What is counted over which window; amounts of one measure compare.

    A budget has a currency and no unit; what counts concurrency has no window.
    """

    kind: Kind
    unit: str
    window: str
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One limit as it was set; money is in picos.

    `holder_id` is the tenant, project or key of its level; None for a plan's, which
    holds for each one. `model` is empty for all models.
    """

    id: int
    measure: Measure
    level: str
    value: int
    holder_id: int | None = None
    plan_id: int | None = None
    is_tenants: bool = False
    model: str = ""
    is_hard: bool = True
    warn_at: tuple[int, ...] = ()
    ends_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None

    def holds(self, now: dt.datetime) -> bool:
        """Tell whether it has neither been ended nor run out."""
        return all(end is None or now < end for end in (self.ends_at, self.ended_at))


@dataclass(frozen=True, slots=True)
class Subject:
    """Who calls, as far as it is known, and which plan the tenant is on.

    Without a project or key, only the levels above are asked about; without a `model`,
    every model's limits are.
    """

    tenant_id: int
    currency: str
    plan_id: int | None = None
    project_id: int | None = None
    api_key_id: int | None = None
    model: str | None = None

    def holder_at(self, level: str) -> int | None:
        """Return its tenant, project or key."""
        held = (self.tenant_id, self.project_id, self.api_key_id)
        return dict(zip(LEVELS, held, strict=True)).get(level)


@dataclass(frozen=True, slots=True)
class Effective:
    """A limit in effect: `row` says what it is, `beside` the higher one next to it.

    `holder_id` is who it is counted for: of a plan's limit, too, each holder has a
    count of its own.
    """

    holder_id: int
    row: Row
    beside: Row | None = None

    @property
    def is_plans(self) -> bool:
        """Tell whether it is the plan's, and not the holder's own."""
        return self.row.plan_id is not None


_Place = tuple[str, Measure, str, bool]


def resolve(
    rows: Iterable[Row], subject: Subject, *, now: dt.datetime
) -> tuple[Effective, ...]:
    """Return the chain: each limit in effect, from the widest level to the narrowest.

    Within a level they are in the order of what they count, all models first, hard ones
    first.
    """
    places: defaultdict[_Place, list[Row]] = defaultdict(list)
    for row in rows:
        if row.holds(now) and _concerns(row, subject):
            places[(row.level, row.measure, row.model, row.is_hard)].append(row)
    chain = [_effective(place, found, subject) for place, found in places.items()]
    return tuple(sorted(chain, key=_order))


def binding(chain: Sequence[Effective], *, model: str | None) -> tuple[Effective, ...]:
    """Return the tightest limit of each measure on calls to a model, or to any.

    Hard and soft ones are told apart. Of equal ones it is the widest, which others use
    up as well.
    """
    tightest: dict[tuple[Measure, bool], Effective] = {}
    for each in chain:
        if each.row.model not in ("", model):
            continue
        key = (each.row.measure, each.row.is_hard)
        so_far = tightest.get(key)
        if so_far is None or each.row.value < so_far.row.value:
            tightest[key] = each
    return tuple(each for each in chain if each in tightest.values())


def _concerns(row: Row, subject: Subject) -> bool:
    """Tell whether a row is of the subject, its plan, its currency and its model."""
    holder = subject.holder_at(row.level)
    if holder is None or row.measure.currency not in ("", subject.currency):
        return False
    if row.model and subject.model is not None and row.model != subject.model:
        return False
    if row.plan_id is not None:
        return row.plan_id == subject.plan_id
    return row.holder_id == holder


def _effective(place: _Place, rows: list[Row], subject: Subject) -> Effective:
    """Choose between the operators' row of a place and the tenant's own."""
    holder = subject.holder_at(place[0])
    if holder is None:
        raise ValueError(f"the subject has nothing at the level '{place[0]}'")
    operators = min(
        (row for row in rows if not row.is_tenants), key=_rank, default=None
    )
    own = min((row for row in rows if row.is_tenants), key=_rank, default=None)
    # Of equals it is the operators', which the tenant cannot take away.
    held = sorted(
        (row for row in (operators, own) if row is not None),
        key=lambda row: (row.value, row.is_tenants),
    )
    return Effective(holder, held[0], held[1] if len(held) > 1 else None)


def _rank(row: Row) -> tuple[bool, bool, int, int]:
    """Order the rows of a place: own before plan, until a date before for good."""
    return (row.plan_id is not None, row.ends_at is None, row.value, row.id)


def _order(each: Effective) -> tuple[int, Measure, str, bool]:
    row = each.row
    return (LEVELS.index(row.level), row.measure, row.model, not row.is_hard)
