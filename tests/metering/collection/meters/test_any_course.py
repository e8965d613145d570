"""Whatever use does, whatever becomes of calls: meters come to count what is used."""

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering.collection.meters.noting import TAKEN, hour_of, note_use
from metering.collection.meters.telling import tell_use
from metering.collection.models import MeterDifference, MeterEvent
from metering.usage.models import HourRollup
from tests.factories.tenants import make_tenant
from tests.metering.collection.meters.scene import HOUR, MINUTE, Metered

FAULTS = ["drop_before", "commit_then_drop", "commit_then_500", "error_500"]
PATHS = ["/v1/billing/meter_events", "/v1/billing/meter_event_adjustments"]
HOURS = st.integers(0, 2)
STEPS = st.one_of(
    st.tuples(st.just("use"), HOURS, st.integers(1, 90)),
    st.tuples(st.just("lose"), HOURS, st.integers(1, 60)),
    st.tuples(st.just("note"), st.just(0), st.just(0)),
    st.tuples(st.just("tell"), st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.just(0), st.sampled_from([2, 70, 1500])),
    st.tuples(st.just("fail"), st.integers(0, 1), st.integers(0, 3)),
)


def used(metered: Metered, hour: int) -> int:
    """Return what the tenant used in one of its hours."""
    row = HourRollup.objects.filter(
        tenant_id=metered.tenant.pk, hour=metered.hour - hour * HOUR
    ).first()
    return row.input_tokens if row else 0


def step(metered: Metered, name: str, which: int, much: int) -> None:
    """Let one thing happen."""
    acts: dict[str, Callable[[], object]] = {
        "use": lambda: metered.use(metered.hour - which * HOUR, input_tokens=much),
        "lose": lambda: metered.use(
            metered.hour - which * HOUR,
            input_tokens=-min(much, used(metered, which)),
        ),
        "note": lambda: note_use(now=metered.now, reach=TAKEN),
        "tell": lambda: tell_use(now=metered.now),
        "wait": lambda: metered.wait(much * MINUTE),
        "fail": lambda: metered.standin.plan(
            FAULTS[much], method="POST", path=PATHS[which]
        ),
    }
    acts[name]()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(course=st.lists(STEPS, max_size=25))
def test_any_course_ends_where_use_does(
    metered: Metered, course: list[tuple[str, int, int]]
) -> None:
    metered.tenant = make_tenant()
    # Time went on with the courses before.
    metered.hour = hour_of(metered.now) - HOUR
    for each in course:
        step(metered, *each)
    metered.standin.engine.faults.clear()
    for _ in range(10):
        note_use(now=metered.now, reach=TAKEN)
        tell_use(now=metered.now)
        metered.wait(61 * MINUTE)
    mine = MeterEvent.objects.filter(tenant=metered.tenant)
    assert not mine.exclude(state__in=("told", "cancelled", "dropped")).exists()
    if not mine.filter(state__in=("told", "cancelled")).exists():
        assert not any(used(metered, which) for which in range(3))
        return
    for which in range(3):
        hour = metered.hour - which * HOUR
        there, here = metered.counted(hour=hour), used(metered, which)
        shown = MeterDifference.objects.filter(tenant=metered.tenant, hour=hour).first()
        if shown is None:
            assert there == here
        else:
            assert (shown.told, shown.used) == (there, here)
            assert there > here
