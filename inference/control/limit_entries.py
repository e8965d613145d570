"""Limits into entries: one for what one side has set for one holder, one for a plan.

So a change of one limit writes one small entry, whatever else a tenant has limited. And
a tenant's own rows are never in an entry with those of the operators: the database lets
a tenant write the former alone, and gateways take from its key whose an entry is.

Limits that have ended are left out. One that ran out is in until it is ended: gateways
know the instant, and no job has to publish what the time does by itself.
"""

import datetime as dt
import operator
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Any, NamedTuple, Self

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from inference.control.sources import Entry, chunks_of
from tenants.limits.resolution import Row
from tenants.models import (
    PLAN_WEIGHT,
    Budget,
    Level,
    Plan,
    Priority,
    Quota,
    RateLimit,
)
from tenants.selectors.limits import as_row

AnyLimit = RateLimit | Quota | Budget

KINDS: tuple[type[AnyLimit], ...] = (RateLimit, Quota, Budget)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_COLUMNS = {
    Level.TENANT.value: "tenant",
    Level.PROJECT.value: "project",
    Level.API_KEY.value: "api_key",
}


# The columns of a `Holding`, whatever its level.
_WHERE = (
    "tenant_id",
    "level",
    Coalesce("api_key_id", "project_id", "tenant_id"),
    "set_by",
)


class Holding(NamedTuple):
    """Whom limits are of, and which side has set them; as text it is an entry's key."""

    tenant_id: int
    level: str
    holder_id: int
    set_by: str

    @classmethod
    def of(cls, limit: AnyLimit) -> Self:
        """Return where a limit belongs that is no plan's."""
        holder_id = getattr(limit, f"{_COLUMNS[limit.level]}_id")
        if limit.tenant_id is None or holder_id is None:
            raise ValueError("a plan's limit is nobody's own")
        return cls(limit.tenant_id, limit.level, holder_id, limit.set_by)

    @classmethod
    def parse(cls, key: str) -> Self:
        """Return what an entry's key names."""
        tenant_id, level, holder_id, set_by = key.split(":")
        return cls(int(tenant_id), level, int(holder_id), set_by)

    def __str__(self) -> str:
        return ":".join(map(str, self))


class LimitSource:
    """The limits of tenants, projects and keys; an id is a `Holding`."""

    def key(self, row: AnyLimit) -> str:
        """Return the key of the entry that a limit is told in."""
        return str(Holding.of(row))

    def entries(self, ids: Sequence[Holding]) -> list[Entry]:
        """Compile what is set at each; a holding without a limit is withdrawn."""
        found = self._limits(ids)
        return [
            Entry(
                key=str(holding),
                body={"rows": found[holding]} if holding in found else None,
                tenant_id=holding.tenant_id,
            )
            for holding in ids
        ]

    def chunks(self, size: int) -> Iterator[list[Holding]]:
        """Yield where so many limits are; one with several may come up again."""
        for kind in KINDS:
            for rows in chunks_of(_own(kind), size, *_WHERE):
                yield sorted({Holding(*where) for _, *where in rows})

    def known(self, keys: Sequence[str]) -> set[str]:
        """Return the keys at which a limit is set."""
        concerned = _concerned(map(Holding.parse, keys))
        return {
            str(Holding(*where))
            for kind in KINDS
            for where in _own(kind).filter(concerned).values_list(*_WHERE)
        }

    def _limits(
        self, holdings: Sequence[Holding]
    ) -> dict[Holding, list[dict[str, Any]]]:
        """Read the live limits at these: one query for each kind."""
        wanted, found = set(holdings), defaultdict(list)
        concerned = _concerned(holdings)
        for kind in KINDS:
            for limit in _own(kind).filter(concerned).order_by("pk"):
                if (holding := Holding.of(limit)) in wanted:
                    found[holding].append(_body(as_row(limit)))
        return dict(found)


class PlanSource:
    """Plans with their limits; an id is a plan's."""

    def key(self, row: Plan) -> str:
        """Return the plan's id as text."""
        return str(row.pk)

    def entries(self, ids: Sequence[int]) -> list[Entry]:
        """Compile the plans: which is the default, what each limits and gives."""
        found: defaultdict[int | None, list[dict[str, Any]]] = defaultdict(list)
        for kind in KINDS:
            for limit in _live(kind).filter(plan__in=ids).order_by("pk"):
                row = as_row(limit)
                found[row.plan_id].append(_body(row) | {"level": row.level})
        return [
            Entry(
                str(plan.pk),
                {
                    "is_default": plan.is_default,
                    "rows": found[plan.pk],
                    **_standing(plan),
                },
            )
            for plan in Plan.objects.filter(pk__in=ids)
        ]

    def chunks(self, size: int) -> Iterator[list[int]]:
        """Yield plans."""
        for rows in chunks_of(Plan.objects.all(), size):
            yield [pk for (pk,) in rows]

    def known(self, keys: Sequence[str]) -> set[str]:
        """Return the keys of plans that there are."""
        there = Plan.objects.filter(pk__in=keys)
        return {str(pk) for pk in there.values_list("pk", flat=True)}


def _standing(plan: Plan) -> dict[str, Any]:
    """Return how its tenants stand beside others, where that is not as usual."""
    said: dict[str, Any] = {}
    if plan.weight != PLAN_WEIGHT:
        said["weight"] = plan.weight
    if plan.priority_max != Priority.DEFAULT:
        said["priority_max"] = plan.priority_max
    return said


def _live(kind: type[AnyLimit]) -> QuerySet[AnyLimit]:
    return kind._default_manager.filter(ended_at=None)


def _own(kind: type[AnyLimit]) -> QuerySet[AnyLimit]:
    """Return those that are no plan's."""
    return _live(kind).filter(plan=None)


def _concerned(holdings: Iterable[Holding]) -> Q:
    """Match the limits of these tenants, projects and keys; none where there are none.

    Each column has an index. What else is set for a holder is matched as well.
    """
    holders: defaultdict[str, set[int]] = defaultdict(set)
    for holding in holdings:
        holders[holding.level].add(holding.holder_id)
    none = Q(pk__in=())
    return reduce(
        operator.or_,
        (
            Q(level=level, **{f"{_COLUMNS[level]}__in": ids})
            for level, ids in holders.items()
        ),
        none,
    )


def _body(row: Row) -> dict[str, Any]:
    """Return a limit as gateways read it; instants are microseconds."""
    measure = row.measure
    return {
        "id": row.id,
        "kind": measure.kind.value,
        "unit": measure.unit,
        "window": measure.window,
        "currency": measure.currency,
        "model": row.model,
        # Not every reader of JSON takes a large number for the same one.
        "value": str(row.value),
        "hard": row.is_hard,
        "ends_at": None
        if row.ends_at is None
        else (row.ends_at - _EPOCH) // _MICROSECOND,
    }
