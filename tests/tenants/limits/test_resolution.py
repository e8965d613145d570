"""Resolution of limits: a table of cases, and properties against a naive model."""

import datetime as dt
import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.limits.resolution import (
    LEVELS,
    Effective,
    Kind,
    Measure,
    Row,
    Subject,
    binding,
    resolve,
)

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
PAST, SOON = NOW - dt.timedelta(hours=1), NOW + dt.timedelta(hours=1)
TENANT, PROJECT, KEY, PLAN = 1, 2, 3, 4
OTHER = 9
HOLDERS = dict(zip(LEVELS, (TENANT, PROJECT, KEY), strict=True))
SUBJECT = Subject(
    tenant_id=TENANT,
    currency="EUR",
    plan_id=PLAN,
    project_id=PROJECT,
    api_key_id=KEY,
    model="large",
)
PER_MINUTE = Measure(Kind.RATE_LIMIT, "requests", "minute")
PER_DAY = Measure(Kind.QUOTA, "tokens", "day")
EUROS = Measure(Kind.BUDGET, "", "month", "EUR")
DOLLARS = replace(EUROS, currency="USD")


def own(number: int, value: int, level: str = "tenant", **fields: object) -> Row:
    """Make a row of the subject's own."""
    row = Row(number, PER_MINUTE, level, value, holder_id=HOLDERS[level])
    return replace(row, **fields)  # type: ignore[arg-type]


def plans(number: int, value: int, level: str = "tenant", **fields: object) -> Row:
    """Make a default of the subject's plan."""
    return own(number, value, level, **{"holder_id": None, "plan_id": PLAN, **fields})


def tenants(number: int, value: int, level: str = "tenant", **fields: object) -> Row:
    """Make a row that the tenant has set for itself."""
    return own(number, value, level, is_tenants=True, **fields)


# What there is -> the ids in effect, from the widest level to the narrowest.
CASES = {
    "nothing": ([], []),
    "a plan's default": ([plans(1, 100)], [1]),
    "own before the plan's, though higher": ([plans(1, 100), own(2, 200)], [2]),
    "a project's default of the plan": ([plans(1, 100, "project")], [1]),
    "each level holds": (
        [own(1, 9), own(2, 8, "project"), own(3, 7, "api_key")],
        [1, 2, 3],
    ),
    "a tenant lowers": ([own(1, 100), tenants(2, 50)], [2]),
    "a tenant does not raise": ([own(1, 100), tenants(2, 500)], [1]),
    "a tenant lowers the plan's": ([plans(1, 100), tenants(2, 50)], [2]),
    "a tenant limits what nobody did": ([tenants(1, 50)], [1]),
    "of equals the operators'": ([own(2, 50), tenants(1, 50)], [2]),
    "hard and soft both": ([own(1, 100), own(2, 80, is_hard=False)], [1, 2]),
    "own hard leaves the plan's soft": (
        [own(1, 100), plans(2, 80, is_hard=False)],
        [1, 2],
    ),
    "of a model and of all": ([own(1, 100), own(2, 10, model="large")], [1, 2]),
    "of another model": ([own(1, 10, model="small")], []),
    "raised until a date": ([own(1, 100), own(2, 300, ends_at=SOON)], [2]),
    "lowered until a date": ([own(1, 100), own(2, 30, ends_at=SOON)], [2]),
    "fallen back to own": ([own(1, 100), own(2, 300, ends_at=NOW)], [1]),
    "fallen back to the plan": ([plans(1, 100), own(2, 300, ends_at=PAST)], [1]),
    "ended": ([own(1, 100, ended_at=PAST)], []),
    "the plan's until a date": ([plans(1, 100), plans(2, 300, ends_at=SOON)], [2]),
    "own for good before the plan's until a date": (
        [own(1, 100), plans(2, 300, ends_at=SOON)],
        [1],
    ),
    "nothing at all may be used": ([own(1, 0), plans(2, 100)], [1]),
    "a budget of the tenant's currency": ([own(1, 5, measure=EUROS)], [1]),
    "a budget of another currency": ([plans(1, 5, measure=DOLLARS)], []),
    "another plan's": ([plans(1, 5, plan_id=OTHER)], []),
    "another tenant's": ([own(1, 5, holder_id=OTHER)], []),
}


@pytest.mark.parametrize(("rows", "expected"), CASES.values(), ids=CASES.keys())
def test_what_is_in_effect(rows: list[Row], expected: list[int]) -> None:
    chain = resolve(rows, SUBJECT, now=NOW)
    assert [each.row.id for each in chain] == expected


def test_the_other_row_of_a_place_is_told() -> None:
    (one,) = resolve([own(1, 100), tenants(2, 50)], SUBJECT, now=NOW)
    assert one.beside is not None
    assert (one.row.id, one.beside.id, one.holder_id) == (2, 1, TENANT)


def test_a_plans_limit_is_counted_for_each_holder() -> None:
    (one,) = resolve([plans(1, 100, "project")], SUBJECT, now=NOW)
    assert (one.holder_id, one.is_plans) == (PROJECT, True)


def test_a_raised_limit_falls_back_at_that_instant() -> None:
    rows = [own(1, 100), own(2, 300, ends_at=SOON)]
    instant = dt.timedelta(microseconds=1)
    for now, value in ((SOON - instant, 300), (SOON, 100), (SOON + instant, 100)):
        assert [each.row.value for each in resolve(rows, SUBJECT, now=now)] == [value]


def test_levels_that_are_not_asked_about_are_left_out() -> None:
    rows = [plans(1, 9), plans(2, 8, "project"), plans(3, 7, "api_key")]
    project = replace(SUBJECT, api_key_id=None)
    tenant = replace(project, project_id=None)
    assert [each.row.id for each in resolve(rows, project, now=NOW)] == [1, 2]
    assert [each.row.id for each in resolve(rows, tenant, now=NOW)] == [1]


def test_without_a_model_every_models_limits_are_told_and_bind_nothing_else() -> None:
    rows = [own(1, 100), own(2, 10, model="large"), own(3, 20, model="small")]
    chain = resolve(rows, replace(SUBJECT, model=None), now=NOW)
    assert [each.row.id for each in chain] == [1, 2, 3]
    assert [each.row.id for each in binding(chain, model=None)] == [1]


def test_binding_is_the_tightest_of_each_measure_hard_and_soft_apart() -> None:
    rows = [
        own(1, 100),
        own(2, 50, "project"),
        own(3, 60, "api_key", model="large"),
        own(4, 40, is_hard=False),
        own(5, 10, "project", measure=PER_DAY),
        own(6, 10, "api_key", measure=PER_DAY),
    ]
    found = binding(resolve(rows, SUBJECT, now=NOW), model="large")
    assert [each.row.id for each in found] == [4, 5, 2]


ends = st.sampled_from([None, None, PAST, NOW, SOON])
measures = st.sampled_from([PER_MINUTE, PER_DAY, EUROS, DOLLARS])


@st.composite
def some_row(draw: st.DrawFn) -> Row:
    """Draw a row: mostly the subject's, often at the same place as others."""
    level = draw(st.sampled_from(LEVELS))
    is_plans = draw(st.booleans())
    holder = draw(st.sampled_from([HOLDERS[level], HOLDERS[level], OTHER]))
    return Row(
        id=0,
        measure=draw(measures),
        level=level,
        value=draw(st.integers(0, 5)),
        holder_id=None if is_plans else holder,
        plan_id=draw(st.sampled_from([PLAN, OTHER])) if is_plans else None,
        is_tenants=not is_plans and draw(st.booleans()),
        model=draw(st.sampled_from(["", "large", "small"])),
        is_hard=draw(st.booleans()),
        ends_at=draw(ends),
        ended_at=draw(ends),
    )


@st.composite
def some_rows(draw: st.DrawFn) -> list[Row]:
    """Draw rows as the database lets them be: one for each place, setter and span."""
    drawn = draw(st.lists(some_row(), max_size=12))
    unlike = {
        (
            *(row.level, row.holder_id, row.plan_id, row.measure, row.model),
            *(row.is_hard, row.is_tenants, row.ends_at is None),
        ): row
        for row in drawn
    }
    return [replace(row, id=number) for number, row in enumerate(unlike.values())]


subjects = st.builds(
    Subject,
    tenant_id=st.just(TENANT),
    currency=st.just("EUR"),
    plan_id=st.sampled_from([PLAN, None]),
    project_id=st.sampled_from([PROJECT, None]),
    api_key_id=st.sampled_from([KEY, None]),
    model=st.sampled_from(["large", "unlimited", None]),
)


def naive(rows: list[Row], subject: Subject) -> dict[int, int | None]:
    """Say the rule a second time: every place there can be, and a look at each."""
    found: dict[int, int | None] = {}
    for level, measure, model, is_hard in itertools.product(
        LEVELS, (PER_MINUTE, PER_DAY, EUROS), ("", "large", "small"), (True, False)
    ):
        if subject.model is not None and model not in ("", subject.model):
            continue
        holder = subject.holder_at(level)
        here = [
            row
            for row in rows
            if (row.level, row.measure) == (level, measure)
            and (row.model, row.is_hard) == (model, is_hard)
            and not (row.ended_at is not None and row.ended_at <= NOW)
            and not (row.ends_at is not None and row.ends_at <= NOW)
        ]
        if holder is None:
            continue
        mine = [row for row in here if row.holder_id == holder]
        ours = [row for row in here if row.plan_id is not None]
        default = [row for row in ours if row.plan_id == subject.plan_id]
        by_us = [row for row in mine if not row.is_tenants] or default
        by_them = [row for row in mine if row.is_tenants]
        candidates = [
            next((row for row in some if row.ends_at is not None), some[0])
            for some in (by_us, by_them)
            if some
        ]
        if candidates:
            lower = candidates[0]
            for each in candidates[1:]:
                if each.value < lower.value:
                    lower = each
            other = [row.id for row in candidates if row is not lower]
            found[lower.id] = other[0] if other else None
    return found


def ids(chain: tuple[Effective, ...]) -> dict[int, int | None]:
    """Return the ids in effect, each with that beside it."""
    return {each.row.id: each.beside.id if each.beside else None for each in chain}


@given(some_rows(), subjects)
def test_it_agrees_with_the_naive_model(rows: list[Row], subject: Subject) -> None:
    assert ids(resolve(rows, subject, now=NOW)) == naive(rows, subject)


@given(some_rows(), subjects, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    rows: list[Row], subject: Subject, random: object
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert resolve(shuffled, subject, now=NOW) == resolve(rows, subject, now=NOW)


@given(some_rows(), some_row(), subjects)
def test_a_tenant_never_raises_what_it_may_use(
    rows: list[Row], row: Row, subject: Subject
) -> None:
    without = [each for each in rows if not each.is_tenants]
    added = replace(row, id=99, is_tenants=True, plan_id=None, holder_id=TENANT)
    before = resolve(without, subject, now=NOW)
    after = resolve([*without, added], subject, now=NOW)
    values = {place(each): each.row.value for each in after}
    assert all(values[place(each)] <= each.row.value for each in before)


@given(some_rows(), subjects)
def test_soft_limits_change_nothing_of_hard_ones(
    rows: list[Row], subject: Subject
) -> None:
    hard = [row for row in rows if row.is_hard]
    chain = resolve(rows, subject, now=NOW)
    assert resolve(hard, subject, now=NOW) == tuple(
        each for each in chain if each.row.is_hard
    )


@given(some_rows(), subjects)
def test_nothing_in_the_chain_is_tighter_than_what_binds(
    rows: list[Row], subject: Subject
) -> None:
    chain = resolve(rows, replace(subject, model="large"), now=NOW)
    tight = binding(chain, model="large")
    bound = {(each.row.measure, each.row.is_hard): each for each in tight}
    for each in chain:
        tightest = bound[(each.row.measure, each.row.is_hard)].row
        assert tightest.value <= each.row.value
    assert len(bound) == len(tight)


def place(each: Effective) -> tuple[object, ...]:
    """Name what a limit in effect limits."""
    row = each.row
    return (row.level, row.measure, row.model, row.is_hard)
