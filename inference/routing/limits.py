"""Which limits hold for a call: what it takes from rates, which budgets it counts to.

Resolved from the published rows once for a key and a model, and kept until a row that
may concern the tenant changes or one runs out. So a call asks one dictionary. Rows of
the tenant and of the operators hold as `tenants.limits.resolution` says, which the API
and the admin show from the same code.

Failure: none of its own. Without the database the rows last read stay in force, and one
that runs out meanwhile ends at its instant all the same.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from inference.limiting.limiter import LIMIT_MAX, Rule, Unit
from inference.routing.limit_rows import EPOCH, WINDOWS_US, at_instant
from inference.routing.snapshot import Snapshot
from kit.contracts import BudgetPlace, Caller
from tenants.limits.resolution import Effective, Kind, Row, Subject, resolve

KEPT_MAX = 65_536
_FOR_EVER_US = 2**63 - 1


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What a call is held to, from the widest level to the narrowest.

    A soft rate is left out, for it stops nobody; a soft budget is in, for it is counted
    and warned about. Of a prepaid tenant its credit is one. How much a budget holds is
    the database's to say.
    """

    rates: tuple[Rule, ...] = ()
    budgets: tuple[BudgetPlace, ...] = ()


@dataclass(frozen=True, slots=True)
class _Kept:
    """What was resolved, from which state of the rows, and when it runs out."""

    mark: int
    until_us: int
    limits: CallLimits


class LimitsInForce:
    """Answers for callers and models; owns what it has resolved."""

    def __init__(self, snapshot: Snapshot, *, kept_max: int = KEPT_MAX) -> None:
        self._snapshot = snapshot
        self._kept_max = kept_max
        self._kept: OrderedDict[tuple[int, str, str], _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, caller: Caller, model: str, now_us: int) -> CallLimits:
        """Return what holds for a caller's call of a model at an instant.

        Instants must not run backwards.
        """
        key = (caller.api_key_id, model, caller.currency)
        kept = self._kept.get(key)
        mark = self._snapshot.limits.mark_of(caller.tenant_id)
        if kept is not None and kept.mark == mark and now_us < kept.until_us:
            self._kept.move_to_end(key)
            return kept.limits
        limits, until_us = self._resolve(caller, model, now_us)
        self._kept[key] = _Kept(mark, until_us, limits)
        self._kept.move_to_end(key)
        if len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
        return limits

    def _resolve(
        self, caller: Caller, model: str, now_us: int
    ) -> tuple[CallLimits, int]:
        rows = self._snapshot.limits
        tenant = self._snapshot.tenants.get(caller.tenant_id)
        plan_id = None if tenant is None else tenant.plan_id
        if plan_id is None:
            plan_id = rows.default_plan_id
        subject = Subject(
            tenant_id=caller.tenant_id,
            currency=caller.currency,
            plan_id=plan_id,
            project_id=caller.project_id,
            api_key_id=caller.api_key_id,
            model=model,
        )
        found = rows.of(
            caller.tenant_id,
            plan_id=plan_id,
            project_id=caller.project_id,
            api_key_id=caller.api_key_id,
        )
        chain = resolve(found, subject, now=at_instant(now_us))
        is_prepaid = tenant is not None and tenant.prepaid
        limits = CallLimits(
            rates=tuple(
                _rule(caller.tenant_id, each)
                for each in chain
                if each.row.measure.kind is Kind.RATE_LIMIT and each.row.is_hard
            ),
            budgets=(
                *((_credit(caller.tenant_id),) if is_prepaid else ()),
                *(
                    _place(caller.tenant_id, each)
                    for each in chain
                    if each.row.measure.kind is not Kind.RATE_LIMIT
                ),
            ),
        )
        return limits, _next_end_us(found, now_us)


def _next_end_us(rows: Iterable[Row], now_us: int) -> int:
    """Return when the next of the rows runs out."""
    ends = (_us(row) for row in rows if row.ends_at is not None)
    return min((end for end in ends if end > now_us), default=_FOR_EVER_US)


def _us(row: Row) -> int:
    since = (row.ends_at or EPOCH) - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _rule(tenant_id: int, each: Effective) -> Rule:
    row = each.row
    measure = row.measure
    return Rule(
        # The braces keep all that one call counts on one node of a cluster.
        key=(
            f"{{t{tenant_id}}}:{row.level}:{each.holder_id}:{measure.unit}"
            f":{measure.window}:hard:{row.model}"
        ),
        unit=Unit(measure.unit),
        limit=min(row.value, LIMIT_MAX),
        window_us=WINDOWS_US[measure.window],
    )


def _credit(tenant_id: int) -> BudgetPlace:
    """Return where a prepaid tenant's use is counted against what it was granted."""
    return BudgetPlace(
        tenant_id=tenant_id,
        level="tenant",
        holder_id=tenant_id,
        kind="credit",
        unit="",
        window="forever",
        model="",
        is_hard=True,
    )


def _place(tenant_id: int, each: Effective) -> BudgetPlace:
    row = each.row
    return BudgetPlace(
        tenant_id=tenant_id,
        level=row.level,
        holder_id=each.holder_id,
        kind=row.measure.kind.value,
        unit=row.measure.unit,
        window=row.measure.window,
        model=row.model,
        is_hard=row.is_hard,
    )
