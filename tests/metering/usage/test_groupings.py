"""Every question is answered as a count of the events themselves would answer it.

Random events of tenants in three zones, two keys of each, two models in two currencies,
some taken back, rolled up or not; the answer to every division, range and filter is
compared row by row with the same count made here.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.contracts import LinearPrice, TokenCounts
from kit.orm.roles import OPERATOR
from metering.pricing.rating import charge_picos
from metering.usage.report import Dimension, Group, UsageQuery, UsageRow
from metering.usage.selectors import usage
from metering.usage.services import cover, roll_up
from tenants.models import ApiKey
from tests.factories.pricing import make_price
from tests.factories.tenants import make_member, make_tenant
from tests.factories.usage import COUNTS, Use, commit, make_epoch, make_use, undoing

# Clocks change in Berlin that night; Kolkata's days begin inside an hour of UTC.
ORIGIN = dt.datetime(2026, 10, 24, tzinfo=dt.UTC)
DAYS = 4
SPAN = dt.timedelta(days=DAYS)
ZONES = ("UTC", "Europe/Berlin", "Asia/Kolkata")
MICROSECOND = dt.timedelta(microseconds=1)
HALF_HOUR = dt.timedelta(minutes=30)
TEN_MINUTES = dt.timedelta(minutes=10)

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class World:
    """Who may use what: tenants by zone, two callers of each, two prices."""

    zone_of: dict[int, str]
    callers: list[Use]
    prices: tuple[LinearPrice, LinearPrice]
    member_of: dict[int, int]
    """By key; a key that is missing is nobody's."""

    def fact(self, name: str, use: Use, zone: str) -> Any:
        """Return what an event is, by the name of a dimension."""
        if name == "member":
            return self.member_of.get(use.api_key_id)
        return FACTS[name](use, zone)


@dataclass(frozen=True, slots=True)
class Request:
    """One use to be committed; `caller` and `price` are places in the world."""

    caller: int
    price: int
    at: dt.datetime
    counts: TokenCounts
    taken_back: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in terms that need no ids: its filters are about one caller."""

    group_by: tuple[Dimension, ...]
    bounds: tuple[Any, Any]
    caller: int
    filters: tuple[str, ...]


callers = st.integers(0, 2 * len(ZONES) - 1)
# Most of them about a few edges of hours, where an answer can go wrong: the midnights
# of all three zones, and the change of clocks.
instants = st.one_of(
    st.integers(0, SPAN // MICROSECOND - 1).map(lambda us: ORIGIN + us * MICROSECOND),
    *[
        st.builds(
            lambda edge, slip: ORIGIN + edge * HALF_HOUR + slip,
            st.integers(36, 52),
            st.sampled_from((-MICROSECOND, 0 * MICROSECOND, MICROSECOND, TEN_MINUTES)),
        )
    ]
    * 3,
)
dates = st.integers(0, DAYS).map(lambda day: ORIGIN.date() + dt.timedelta(days=day))
requests = st.builds(
    Request,
    caller=callers,
    price=st.integers(0, 1),
    at=instants,
    counts=st.builds(
        TokenCounts,
        input_tokens=st.integers(0, 10**6),
        cached_input_tokens=st.integers(0, 10**6),
        output_tokens=st.integers(50, 10**6),
        reasoning_tokens=st.integers(0, 50),
    ),
    taken_back=st.booleans(),
)
bounds = st.one_of(st.tuples(instants, instants), st.tuples(dates, dates)).map(
    lambda both: (min(both), max(both))
)


def questions_of(dimensions: Iterable[Dimension], filters: Iterable[str]) -> Any:
    """Return questions divided by some dimensions and narrowed by some filters."""
    return st.builds(
        Asked,
        group_by=st.lists(st.sampled_from(list(dimensions)), unique=True).map(tuple),
        bounds=bounds.filter(lambda both: both[0] < both[1]),
        caller=callers,
        filters=st.lists(st.sampled_from(list(filters)), unique=True).map(tuple),
    )


# Half of them are such as hour rollups can answer.
questions = st.one_of(
    questions_of(Dimension, ("tenant", "project", "key", "member", "model")),
    questions_of(
        (Dimension.HOUR, Dimension.DAY, Dimension.TENANT, Dimension.MODEL),
        ("tenant", "model"),
    ),
)


@pytest.fixture
def world(operator_db: None) -> World:
    prices = make_price(model="one"), make_price(model="two", currency="EUR")
    tenants = [make_tenant(zone=zone) for zone in ZONES]
    for tenant in tenants:
        cover(tenant=tenant, earliest=ORIGIN, latest=ORIGIN + SPAN)
    callers = [
        make_use(price=prices[0], admitted_at=ORIGIN, tenant=tenant)
        for tenant in tenants
        for _ in range(2)
    ]
    # The first key of each tenant is somebody's, the other one nobody's.
    member_of = {}
    for tenant, use in zip(tenants, callers[::2], strict=True):
        member = make_member(tenant=tenant)
        ApiKey.objects.filter(pk=use.api_key_id).update(member=member)
        member_of[use.api_key_id] = member.pk
    zones = {tenant.pk: tenant.zone for tenant in tenants}
    return World(zones, callers, prices, member_of)


def commit_all(world: World, drawn: list[Request], rolled: int) -> list[Use]:
    """Commit what was drawn, rolled up when the number `rolled` is reached."""
    epoch = make_epoch(started_at=ORIGIN)
    uses: list[Use] = []
    for number, request in enumerate(drawn):
        use = replace(
            world.callers[request.caller],
            price=world.prices[request.price],
            admitted_at=request.at,
            counts=request.counts,
        )
        (event,) = commit(epoch, use)
        uses.append(use)
        if request.taken_back:
            uses.append(undoing(event, use))
            commit(epoch, uses[-1])
        if number == rolled:
            roll_up(batch_events=3)
    return uses


def whole_minute(at: dt.datetime) -> dt.datetime:
    return at.replace(second=0, microsecond=0)


# What an event is, by the name of a dimension, and the same of an answer's row.
FACTS: dict[str, Callable[[Use, str], Any]] = {
    "tenant": lambda use, _: use.tenant_id,
    "project": lambda use, _: use.project_id,
    "key": lambda use, _: use.api_key_id,
    "model": lambda use, _: use.price.model,
    "day": lambda use, zone: use.admitted_at.astimezone(ZoneInfo(zone)).date(),
    "hour": lambda use, _: whole_minute(use.admitted_at).replace(minute=0),
    "minute": lambda use, _: whole_minute(use.admitted_at),
}
FIELDS = {
    "tenant": "tenant_id",
    "project": "project_id",
    "key": "api_key_id",
    "member": "member_id",
}


def question(world: World, asked: Asked) -> UsageQuery:
    """Return what is asked of the selector."""
    caller = replace(world.callers[asked.caller], price=world.prices[asked.caller % 2])
    about = {name: world.fact(name, caller, "UTC") for name in asked.filters}
    return UsageQuery(
        start=asked.bounds[0],
        end=asked.bounds[1],
        group_by=asked.group_by,
        tenant_id=about.get("tenant"),
        project_id=about.get("project"),
        api_key_id=about.get("key"),
        member_id=about.get("member"),
        model=about.get("model"),
    )


def counted(world: World, asked: Asked, uses: list[Use]) -> Counter[Row]:
    """Count what was committed, one event at a time."""
    query = question(world, asked)
    filters = {
        "tenant": query.tenant_id,
        "project": query.project_id,
        "key": query.api_key_id,
        "member": query.member_id,
        "model": query.model,
    }
    of_one_tenant = any(
        filters[name] for name in ("tenant", "project", "key", "member")
    )
    mine = world.zone_of[world.callers[asked.caller].tenant_id]
    zone = mine if of_one_tenant else "UTC"
    start, end = (
        bound
        if isinstance(bound, dt.datetime)
        else dt.datetime.combine(bound, dt.time(), tzinfo=ZoneInfo(zone))
        for bound in asked.bounds
    )
    sums: dict[Row, Counter[int]] = {}
    for use in uses:
        if start <= use.admitted_at < end and all(
            wanted in (None, world.fact(name, use, zone))
            for name, wanted in filters.items()
        ):
            keys = (world.fact(each, use, zone) for each in asked.group_by)
            row = sums.setdefault((*keys, use.price.currency), Counter())
            for place, measure in enumerate(measures_of(use)):
                row[place] += measure
    return Counter(
        (*key, *(row[place] for place in range(6))) for key, row in sums.items()
    )


def measures_of(use: Use) -> Iterator[int]:
    yield 0 if use.corrects else 1
    yield use.counts.input_tokens
    yield use.counts.cached_input_tokens
    yield use.counts.output_tokens
    yield use.counts.reasoning_tokens
    yield charge_picos(use.price, use.counts)


def flat(row: UsageRow, group_by: tuple[Dimension, ...]) -> Row:
    """Return a row of an answer as `counted` has it."""
    return (
        *(getattr(row.group, FIELDS.get(each, each)) for each in group_by),
        row.currency,
        row.requests,
        row.input_tokens,
        row.cached_input_tokens,
        row.output_tokens,
        row.reasoning_tokens,
        row.charge_picos,
    )


def moment_of(row: UsageRow) -> tuple[dt.date, ...]:
    return tuple(filter(None, (row.group.day, row.group.hour, row.group.minute)))


@given(
    drawn=st.lists(requests, min_size=4, max_size=12),
    rolled=st.integers(2, 12),
    asked=st.lists(questions, min_size=8, max_size=16),
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_every_answer_is_a_count_of_events(
    world: World, drawn: list[Request], rolled: int, asked: list[Asked]
) -> None:
    with transaction.atomic(using=OPERATOR):
        uses = commit_all(world, drawn, rolled)
        for each in asked:
            report = usage(question(world, each), now=ORIGIN + SPAN)
            found = [flat(row, each.group_by) for row in report.rows]
            assert Counter(found) == counted(world, each, uses), each
            moments = [moment_of(row) for row in report.rows]
            assert moments == sorted(moments), each
        transaction.set_rollback(True, using=OPERATOR)


def test_others_than_the_groups_named_are_one(world: World) -> None:
    uses = commit_all(
        world,
        [Request(each, each % 2, ORIGIN, COUNTS, taken_back=False) for each in (0, 1)],
        rolled=0,
    )
    by = (Dimension.MEMBER, Dimension.MODEL)
    whole = UsageQuery(
        start=ORIGIN, end=ORIGIN + SPAN, tenant_id=uses[0].tenant_id, group_by=by
    )
    answer = usage(whole, now=ORIGIN + SPAN)
    for kept in answer.rows:
        told = usage(replace(whole, among=(kept.group,)), now=ORIGIN + SPAN)
        assert kept in told.rows
        assert {row.group for row in told.rows} == {kept.group, Group(is_told=False)}
        assert told.totals == answer.totals
    assert len(answer.rows) == 2
