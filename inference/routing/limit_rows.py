"""The limits that were published, by whom they are of.

An entry holds the rows that one side, operators or the tenant, has set for one tenant,
project or key; a plan's entry holds the plan's. Whose they are is in the entry's key,
which the database checks, and never in its body: a tenant that forged a body could
limit only itself, and only further.

Failure: an entry that cannot be read raises, and the one before it stays in force: to
forget it would let its callers use more.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from inference.routing.serving import Priority
from tenants.limits.resolution import LEVELS, Kind, Measure, Row

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# Concurrent requests are counted at a time.
WINDOWS_US: Mapping[str, int] = {
    "second": 1_000_000,
    "minute": 60_000_000,
    "hour": 3_600_000_000,
    "day": 86_400_000_000,
    "": 0,
}
_TOKENS = frozenset({"tokens", "input_tokens", "output_tokens"})
_UNITS = {
    Kind.RATE_LIMIT: _TOKENS | {"requests", "concurrent_requests"},
    Kind.QUOTA: _TOKENS,
    Kind.BUDGET: frozenset({""}),
}
# A plan's share of a busy model, unless it has one of its own.
WEIGHT = 100
_SPENT_OVER = frozenset({"day", "month", "forever"})
# What the database's widest amounts hold.
_VALUE_MAX = 10**38

# A level of one tenant, and which of its tenants, projects or keys.
_Holder = tuple[str, int]


@dataclass(frozen=True, slots=True)
class PlanRows:
    """A plan's limits, and whether they hold for tenants that are on no plan."""

    is_default: bool
    rows: tuple[Row, ...]
    # The share of a busy model that its tenants get, beside that of others.
    weight: int = WEIGHT
    # The best class that their requests may ask for, whatever their keys say.
    priority_max: Priority = Priority.DEFAULT


@dataclass(slots=True)
class LimitRows:
    """The rows in force, and a mark that changes with whatever concerns a tenant."""

    plans: dict[int, PlanRows] = field(default_factory=dict[int, PlanRows])
    default_plan_id: int | None = None
    # By tenant, holder, and whether the tenant has set them itself.
    _own: dict[int, dict[_Holder, dict[bool, tuple[Row, ...]]]] = field(
        default_factory=dict[int, dict[_Holder, dict[bool, tuple[Row, ...]]]]
    )
    _marks: dict[int, int] = field(default_factory=dict[int, int], compare=False)
    _last_mark: int = field(default=0, compare=False)
    _mark_of_others: int = field(default=0, compare=False)

    def mark_of(self, tenant_id: int) -> int:
        """Return what differs as soon as other rows may hold for a tenant."""
        return self._marks.get(tenant_id, self._mark_of_others)

    def touch(self, tenant_id: int) -> None:
        """Note that something has changed for a tenant."""
        self._last_mark += 1
        self._marks[tenant_id] = self._last_mark

    def of(
        self, tenant_id: int, *, plan_id: int | None, project_id: int, api_key_id: int
    ) -> list[Row]:
        """Return what may concern a call: its holders' rows, then those of its plan."""
        found: list[Row] = []
        if own := self._own.get(tenant_id):
            for holder in zip(LEVELS, (tenant_id, project_id, api_key_id), strict=True):
                for rows in own.get(holder, {}).values():
                    found += rows
        plan = self.plans.get(plan_id) if plan_id is not None else None
        return found if plan is None else [*found, *plan.rows]

    def weight_of(self, plan_id: int | None) -> int:
        """Return the share of tenants on a plan; on none they are on the default."""
        plan = self._holding(plan_id)
        return WEIGHT if plan is None else plan.weight

    def priority_of(self, plan_id: int | None) -> Priority:
        """Return the best class that tenants on a plan may ask for."""
        plan = self._holding(plan_id)
        return Priority.DEFAULT if plan is None else plan.priority_max

    def apply_own(self, key: str, body: Mapping[str, Any] | None) -> None:
        """Take in the rows of `tenant:level:holder:side`; raises `ValueError`."""
        tenant, level, holder, side = key.split(":")
        if level not in LEVELS or side not in ("operator", "tenant"):
            raise ValueError(f"limits of nobody: {key!r}")
        tenant_id, at, is_tenants = int(tenant), (level, int(holder)), side == "tenant"
        rows = () if body is None else _rows(body, at, is_tenants=is_tenants)
        sides = self._own.setdefault(tenant_id, {}).setdefault(at, {})
        sides[is_tenants] = rows
        self._drop_empty(tenant_id, at)
        self.touch(tenant_id)

    def apply_plan(self, key: str, body: Mapping[str, Any] | None) -> None:
        """Take in a plan; a body of None removes it."""
        plan_id = int(key)
        if body is None:
            self.plans.pop(plan_id, None)
        else:
            rows = _rows(body, None, plan_id=plan_id)
            self.plans[plan_id] = PlanRows(
                bool(body["is_default"]),
                rows,
                body.get("weight", WEIGHT),
                Priority.of_published(body.get("priority_max", "")),
            )
        self.default_plan_id = next(
            (number for number, plan in self.plans.items() if plan.is_default), None
        )
        # Whom a plan holds for is not known here: it may be anybody.
        self._last_mark += 1
        self._mark_of_others = self._last_mark
        self._marks.clear()

    def _holding(self, plan_id: int | None) -> PlanRows | None:
        """Return a tenant's plan, or on none the default one."""
        return self.plans.get(
            plan_id if plan_id is not None else (self.default_plan_id or 0)
        )

    def _drop_empty(self, tenant_id: int, at: _Holder) -> None:
        holders = self._own[tenant_id]
        holders[at] = {side: rows for side, rows in holders[at].items() if rows}
        if not holders[at]:
            del holders[at]
        if not holders:
            del self._own[tenant_id]


def at_instant(now_us: int) -> dt.datetime:
    """Return an instant as rows have it."""
    return EPOCH + dt.timedelta(microseconds=now_us)


def _rows(
    body: Mapping[str, Any],
    holder: _Holder | None,
    *,
    is_tenants: bool = False,
    plan_id: int | None = None,
) -> tuple[Row, ...]:
    """Read the rows of an entry: a holder's, or a plan's with a level in each."""
    published: Sequence[Mapping[str, Any]] = body["rows"]
    return tuple(
        Row(
            id=row["id"],
            measure=_measure(row["kind"], row["unit"], row["window"], row["currency"]),
            level=_level(row["level"]) if holder is None else holder[0],
            value=_value(row["value"]),
            holder_id=None if holder is None else holder[1],
            plan_id=plan_id,
            is_tenants=is_tenants,
            model=str(row["model"]),
            is_hard=bool(row["hard"]),
            ends_at=None if row["ends_at"] is None else at_instant(row["ends_at"]),
        )
        for row in published
    )


@lru_cache(maxsize=1024)
def _measure(kind: str, unit: str, window: str, currency: str) -> Measure:
    """Share one measure between the many rows that count the same."""
    known = Kind(kind)
    # What nobody here counts would otherwise fail every call that it concerns.
    if unit not in _UNITS[known]:
        raise ValueError(f"no unit of a {kind}: {unit!r}")
    is_fit = window in _SPENT_OVER
    if known is Kind.RATE_LIMIT:
        is_at_a_time = unit == "concurrent_requests"
        is_fit = window in WINDOWS_US and is_at_a_time == (not window)
    if not is_fit:
        raise ValueError(f"no window of a {kind}: {window!r}")
    return Measure(known, unit, window, currency)


def _level(level: str) -> str:
    if level not in LEVELS:
        raise ValueError(f"no level: {level!r}")
    return level


def _value(digits: str) -> int:
    value = int(digits)
    if not 0 <= value < _VALUE_MAX:
        raise ValueError("no amount of a limit")
    return value
