"""What an answer may cost: 31 days of single events, 10,000 rows, no whole table."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from kit.errors import InvalidRequest
from kit.orm.atomic import cursor
from kit.orm.roles import OPERATOR
from metering.usage import selectors
from metering.usage.report import Dimension
from metering.usage.services import cover, make_partitions, roll_up
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.factories.usage import Use, commit, make_epoch, make_use
from tests.metering.usage.test_usage import DAY, HOUR, NOON, TODAY, ask

BY_EVENTS = [
    (Dimension.MINUTE,),
    (Dimension.MINUTE, Dimension.HOUR, Dimension.DAY),
    (Dimension.HOUR, Dimension.PROJECT),
    (Dimension.HOUR, Dimension.KEY, Dimension.MODEL),
]
QUESTIONS = [(), (Dimension.DAY,), (Dimension.HOUR,), *BY_EVENTS]


@pytest.fixture
def use(operator_db: None) -> Use:
    return make_use(price=make_price(), admitted_at=NOON)


@pytest.mark.parametrize("group_by", BY_EVENTS)
@pytest.mark.parametrize("one", [True, False])
def test_single_events_are_counted_for_31_days(
    use: Use, group_by: tuple[Dimension, ...], one: bool
) -> None:
    tenant_id = use.tenant_id if one else None
    month = {"start": NOON - 31 * DAY, "end": NOON, "tenant_id": tenant_id}
    assert ask(*group_by, **month).rows == ()

    longer = month | {"start": NOON - 31 * DAY - HOUR}
    with pytest.raises(InvalidRequest, match=r"31 days.*'day'") as caught:
        ask(*group_by, **longer)
    assert caught.value.param == "group_by"


@pytest.mark.parametrize("narrow", ["project_id", "api_key_id"])
def test_hours_of_a_project_or_key_are_counted_from_events(
    use: Use, narrow: str
) -> None:
    about = {narrow: getattr(use, narrow)}
    with pytest.raises(InvalidRequest, match="'hour' together with"):
        ask(Dimension.HOUR, start=TODAY - 32 * DAY, end=TODAY, **about)
    assert ask(Dimension.DAY, start=TODAY - 32 * DAY, end=TODAY, **about).rows == ()


def test_a_month_whose_clocks_change_has_31_days(operator_db: None) -> None:
    tenant = make_tenant(zone="Europe/Berlin")
    cover(tenant=tenant, earliest=NOON - 60 * DAY, latest=NOON)
    october = {"start": dt.date(2026, 10, 1), "end": dt.date(2026, 11, 1)}
    report = ask(Dimension.MINUTE, tenant_id=tenant.pk, **october)
    assert report.end - report.start == 31 * DAY + HOUR


@pytest.mark.parametrize("bound", [NOON, TODAY])
@pytest.mark.parametrize("by", [(), (Dimension.DAY,), (Dimension.MODEL,)])
def test_hours_are_answered_for_years(
    use: Use, by: tuple[Dimension, ...], bound: dt.date
) -> None:
    commit(make_epoch(started_at=NOON), use)
    roll_up()
    for tenant_id in (None, use.tenant_id):
        report = ask(
            Dimension.HOUR,
            *by,
            start=bound - 900 * DAY,
            end=bound + 900 * DAY,
            tenant_id=tenant_id,
        )
        assert [(row.group.hour, row.requests) for row in report.rows] == [(NOON, 1)]


def test_long_range_of_days_that_cut_hours_is_refused(operator_db: None) -> None:
    tenant = make_tenant(zone="Asia/Kolkata")
    cover(tenant=tenant, earliest=NOON - 40 * DAY, latest=NOON)
    bounds = {"start": TODAY - 32 * DAY, "end": TODAY, "tenant_id": tenant.pk}
    with pytest.raises(InvalidRequest, match="without 'day'") as caught:
        ask(Dimension.HOUR, Dimension.DAY, **bounds)
    assert caught.value.param == "group_by"
    assert ask(Dimension.HOUR, **bounds).rows == ()


def test_more_rows_than_are_answered_is_refused(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "ROWS_MAX", 2)
    epoch = make_epoch(started_at=NOON)

    commit(epoch, use, replace(use, admitted_at=NOON + HOUR))
    assert len(ask(Dimension.HOUR).rows) == 2

    commit(epoch, replace(use, admitted_at=NOON + 2 * HOUR))
    with pytest.raises(InvalidRequest, match="shorter range") as caught:
        ask(Dimension.HOUR)
    assert caught.value.param == "group_by"


@pytest.mark.parametrize("group_by", QUESTIONS)
def test_an_answer_takes_two_statements_and_its_tenant(
    use: Use, group_by: tuple[Dimension, ...]
) -> None:
    other = make_use(price=use.price, admitted_at=NOON)
    commit(make_epoch(started_at=NOON), use, other)
    bounds = {"start": NOON - DAY, "end": NOON + DAY}
    # Of several tenants it is asked first how far totals have come.
    of_several = 2 if group_by in BY_EVENTS else 3
    for tenant_id, queries in ((None, of_several), (use.tenant_id, 3)):
        with CaptureQueriesContext(connections[OPERATOR]) as made:
            assert ask(*group_by, tenant_id=tenant_id, **bounds).rows
        assert len(made) == queries


class Plans:
    """The plan of each statement that reads events, with what was really executed."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []

    def __call__(self, run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "FROM usage_event" in sql:
            run(f"EXPLAIN (ANALYZE, COSTS OFF, FORMAT JSON) {sql}", *rest)
            (answer,) = rest[-1]["cursor"].fetchone()
            plan = answer if isinstance(answer, list) else json.loads(answer)
            self.found.extend(nodes(plan[0]["Plan"]))
        return run(sql, *rest)

    def of_events(self) -> list[dict[str, Any]]:
        """Return the scans of events that were executed."""
        return [
            node
            for node in self.found
            if node.get("Relation Name", "").startswith("usage_event")
            and node["Actual Loops"]
        ]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


@pytest.mark.parametrize("group_by", QUESTIONS)
@pytest.mark.parametrize("one", [True, False])
def test_events_are_found_by_index_in_their_month_alone(
    use: Use, group_by: tuple[Dimension, ...], one: bool
) -> None:
    for months in range(1, 4):
        make_partitions(now=NOON + months * 31 * DAY)
    commit(make_epoch(started_at=NOON), use)
    roll_up()
    plans = Plans()

    with cursor() as session, connections[OPERATOR].execute_wrapper(plans):
        # So few rows would be read in any way: only what has no index is scanned.
        session.execute("SET LOCAL enable_seqscan = off")
        report = ask(
            *group_by,
            start=NOON - HOUR / 2,
            end=NOON + HOUR / 2,
            tenant_id=use.tenant_id if one else None,
        )

    assert report.totals[0].requests == 1
    scans = plans.of_events()
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Bitmap Heap Scan"}
    assert {node["Relation Name"] for node in scans} == {"usage_event_2026_11"}
