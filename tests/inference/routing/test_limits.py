"""Limits in the gateway: what is resolved, how long it is kept, and what drops it."""

import datetime as dt
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.limiting.limiter import Rule, Unit
from inference.routing.limit_rows import LimitRows, at_instant
from inference.routing.limits import CallLimits, LimitsInForce
from inference.routing.snapshot import Snapshot
from kit.contracts import BudgetPlace, Caller
from tenants.limits.resolution import Kind, Measure, Row, Subject, resolve

NOW_US = 1_763_700_000_000_000
CALLER = Caller(tenant_id=1, project_id=2, api_key_id=3, currency="USD")
_ids = itertools.count(1)


def rate(value: int = 60, **given: Any) -> dict[str, Any]:
    """Return a published row: requests per minute of any model, hard, for good."""
    row = {
        "id": next(_ids),
        "kind": "rate_limit",
        "unit": "requests",
        "window": "minute",
        "currency": "",
        "model": "",
        "value": str(value),
        "hard": True,
        "ends_at": None,
    }
    return row | given


def budget(value: int = 10**20, **given: Any) -> dict[str, Any]:
    """Return a published row of money per month."""
    money = {"kind": "budget", "unit": "", "window": "month", "currency": "USD"}
    return rate(value, **(money | given))


class World:
    """A snapshot that entries are put into, and what is asked of it."""

    def __init__(self, *, plan_id: int | None = None, kept_max: int = 100) -> None:
        self.snapshot = Snapshot()
        self.in_force = LimitsInForce(self.snapshot, kept_max=kept_max)
        self.tenant(plan_id=plan_id)

    def tenant(
        self, *, plan_id: int | None, tenant_id: int = 1, prepaid: bool = False
    ) -> None:
        """Publish the tenant."""
        body = {"slug": "t", "active": True, "currency": "USD", "plan_id": plan_id}
        body |= {"prepaid": prepaid}
        self.snapshot.apply("tenant", str(tenant_id), body)

    def own(self, key: str, *rows: dict[str, Any]) -> None:
        """Publish what is set at `key`."""
        body = {"rows": list(rows)} if rows else None
        self.snapshot.apply("limits", key, body)

    def plan(
        self, plan_id: int, *rows: dict[str, Any], is_default: bool = False
    ) -> None:
        """Publish a plan whose rows are of the tenant's level."""
        leveled = [{"level": "tenant"} | row for row in rows]
        body = {"is_default": is_default, "rows": leveled}
        self.snapshot.apply("plan", str(plan_id), body)

    def ask(
        self, model: str = "m", *, caller: Caller = CALLER, now_us: int = NOW_US
    ) -> CallLimits:
        """Return what holds."""
        return self.in_force.of(caller, model, now_us)

    def limits(self, **asked: Any) -> list[int]:
        """Return the values of the rates alone."""
        return [rule.limit for rule in self.ask(**asked).rates]


def test_nothing_is_limited_where_nothing_is_set() -> None:
    assert World().ask() == CallLimits()


def test_the_chain_names_its_places_from_wide_to_narrow() -> None:
    world = World()
    world.own("1:api_key:3:operator", rate(3), rate(9, hard=False))
    world.own("1:project:2:operator", rate(2, unit="tokens", window="day", model="m"))
    world.own(
        "1:tenant:1:operator",
        rate(1, unit="concurrent_requests", window=""),
        budget(),
        budget(hard=False),
        rate(7, kind="quota", unit="tokens", window="forever"),
    )
    found = world.ask()
    at_once = "{t1}:tenant:1:concurrent_requests::hard:"
    assert found.rates == (
        Rule(at_once, Unit.CONCURRENT_REQUESTS, 1, 0),
        Rule("{t1}:project:2:tokens:day:hard:m", Unit.TOKENS, 2, 86_400_000_000),
        Rule("{t1}:api_key:3:requests:minute:hard:", Unit.REQUESTS, 3, 60_000_000),
    )
    assert found.budgets == (
        BudgetPlace(1, "tenant", 1, "budget", "", "month", "", True),
        BudgetPlace(1, "tenant", 1, "budget", "", "month", "", False),
        BudgetPlace(1, "tenant", 1, "quota", "tokens", "forever", "", True),
    )


def test_a_tenants_own_row_lowers_and_never_raises() -> None:
    world = World()
    world.own("1:tenant:1:operator", rate(10))
    world.own("1:tenant:1:tenant", rate(20))
    assert world.limits() == [10]
    world.own("1:tenant:1:tenant", rate(5))
    assert world.limits() == [5]
    world.own("1:tenant:1:tenant")
    assert world.limits() == [10]


def test_whose_rows_they_are_is_said_by_the_key_alone() -> None:
    world = World()
    world.own("1:api_key:3:operator", rate(10))
    # What a tenant might forge: another's, and one that says it is the operators'.
    world.own("2:api_key:3:tenant", rate(0))
    world.own("1:api_key:3:tenant", rate(99, set_by="operator", level="tenant"))
    assert world.limits() == [10]


def test_plans_hold_by_tenant_or_by_default_behind_own_rows() -> None:
    world = World()
    world.plan(7, rate(70), is_default=True)
    world.plan(8, rate(80))
    assert world.limits() == [70]
    world.tenant(plan_id=8)
    assert world.limits() == [80]
    world.own("1:tenant:1:operator", rate(800))
    assert world.limits() == [800]
    world.own("1:tenant:1:operator")
    world.tenant(plan_id=None)
    world.plan(7, rate(70))
    assert world.limits() == []
    world.plan(8, rate(81), is_default=True)
    assert world.limits() == [81]
    world.snapshot.apply("plan", "8", None)
    assert world.limits() == []


def test_other_models_and_currencies_are_passed_over() -> None:
    world = World()
    world.own("1:tenant:1:operator", rate(1, model="a"), budget(currency="EUR"))
    assert world.ask("b") == CallLimits()
    assert world.limits(model="a") == [1]


def test_a_row_that_runs_out_does_so_at_its_instant() -> None:
    world = World()
    later = NOW_US + 5
    world.own("1:tenant:1:operator", rate(10), rate(50, ends_at=later))
    assert world.limits() == [50]
    assert world.limits(now_us=later - 1) == [50]
    assert world.limits(now_us=later) == [10]


def test_what_is_kept_is_the_same_object_until_something_changes() -> None:
    world = World()
    world.own("1:tenant:1:operator", rate(10))
    world.own("2:tenant:2:operator", rate(10))
    first = world.ask()
    assert world.ask(now_us=NOW_US + 10**9) is first
    # Another tenant's rows cost this one nothing.
    world.own("2:tenant:2:operator", rate(11))
    world.tenant(tenant_id=2, plan_id=None)
    assert world.ask() is first
    world.own("1:project:9:operator", rate(1))
    assert world.ask() is not first


def test_only_so_many_are_kept_and_the_last_used_stay() -> None:
    world = World(kept_max=3)
    kept = world.ask("a")
    for model in "bcdefg":
        world.ask(model)
        assert world.ask("a") is kept
        assert len(world.in_force) <= 3


@pytest.mark.parametrize(
    "change",
    [
        {"value": "-1"},
        {"value": "x"},
        {"value": str(10**38)},
        {"kind": "wish"},
        {"window": "fortnight"},
        {"window": ""},
        {"unit": "images"},
        {"unit": "concurrent_requests"},
        {"kind": "quota"},
        {"kind": "quota", "unit": "tokens", "window": "week"},
        {"kind": "budget", "window": "day"},
        {"ends_at": "soon"},
    ],
)
def test_an_entry_that_cannot_be_read_leaves_the_one_before(
    change: dict[str, Any],
) -> None:
    world = World()
    world.own("1:tenant:1:operator", rate(10))
    with pytest.raises((ValueError, TypeError)):
        world.own("1:tenant:1:operator", rate(20, **change))
    assert world.limits() == [10]


@pytest.mark.parametrize(
    "key", ["1", "1:tenant:1", "1:plan:1:operator", "1:tenant:1:me"]
)
def test_limits_of_nobody_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"limits|unpack"):
        LimitRows().apply_own(key, {"rows": []})


def test_what_comes_and_goes_leaves_nothing() -> None:
    world = World()
    world.snapshot.apply("tenant", "1", None)
    world.plan(7, rate(), is_default=True)
    world.own("1:tenant:1:tenant", rate())
    assert world.snapshot != Snapshot()
    world.own("1:tenant:1:tenant")
    world.own("1:tenant:1:operator")
    world.snapshot.apply("plan", "7", None)
    assert world.snapshot == Snapshot()


_SIDES = st.sampled_from(["operator", "tenant"])
_HOLDERS = st.sampled_from(
    [("tenant", 1), ("project", 2), ("project", 9), ("api_key", 3)]
)
_ROWS = st.tuples(
    _HOLDERS,
    _SIDES,
    st.integers(0, 5),
    st.sampled_from(["", "m", "n"]),
    st.booleans(),
    st.sampled_from([None, NOW_US - 1, NOW_US, NOW_US + 1, NOW_US + 2]),
)


@given(st.lists(_ROWS, max_size=12), st.integers(-2, 3))
def test_it_is_what_resolution_says_of_all_rows(
    drawn: list[tuple[tuple[str, int], str, int, str, bool, int | None]], step: int
) -> None:
    """Asked before and after time has passed, whatever was kept in between."""
    world = World()
    entries: dict[str, list[dict[str, Any]]] = {}
    rows: list[Row] = []
    for (level, holder), side, value, model, hard, ends_at in drawn:
        row = rate(value, model=model, hard=hard, ends_at=ends_at)
        entries.setdefault(f"1:{level}:{holder}:{side}", []).append(row)
        end: dt.datetime | None = None if ends_at is None else at_instant(ends_at)
        rows.append(
            Row(
                id=row["id"],
                measure=Measure(Kind.RATE_LIMIT, "requests", "minute"),
                level=level,
                value=value,
                holder_id=holder,
                is_tenants=side == "tenant",
                model=model,
                is_hard=hard,
                ends_at=end,
            )
        )
    for key, published in entries.items():
        world.own(key, *published)
    subject = Subject(1, "USD", project_id=2, api_key_id=3, model="m")
    for now_us in sorted({NOW_US - 2, NOW_US + step}):
        chain = resolve(rows, subject, now=at_instant(now_us))
        expected = [each.row.value for each in chain if each.row.is_hard]
        assert world.limits(now_us=now_us) == expected


def test_a_prepaid_tenant_counts_towards_its_credit_and_no_longer_when_it_is_not() -> (
    None
):
    world = World()
    world.own("1:tenant:1:operator", budget())
    assert [place.kind for place in world.ask().budgets] == ["budget"]
    world.tenant(plan_id=None, prepaid=True)
    credit, _ = world.ask().budgets
    assert credit == BudgetPlace(1, "tenant", 1, "credit", "", "forever", "", True)
    world.tenant(plan_id=None)
    assert [place.kind for place in world.ask().budgets] == ["budget"]
