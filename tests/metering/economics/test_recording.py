"""When each replica was there, as looks at them tell."""

import datetime as dt

import pytest

from inference.control import services as control
from inference.control.replicas_there import list_all
from kit.replicas import ReplicaThere
from metering.economics.models import ReplicaSpan
from metering.economics.services import note_replicas
from tests.factories.control import make_model, make_replica

pytestmark = pytest.mark.usefixtures("operator_db")

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
OLD = NOON - dt.timedelta(days=9)


def there(
    replica_id: int = 1, *, model: str = "m", added_at: dt.datetime = OLD
) -> ReplicaThere:
    return ReplicaThere(replica_id, f"r{replica_id}", model, (model,), "vllm", added_at)


def look(minutes: int, *found: ReplicaThere) -> None:
    note_replicas(now=NOON + minutes * MINUTE, lister=lambda: found)


def told() -> list[tuple[int, int, int, bool]]:
    """Return each span's replica and its two ends in minutes from noon."""
    return [
        (
            span.replica_id,
            (span.starts_at - NOON) // MINUTE,
            (span.until - NOON) // MINUTE,
            span.is_open,
        )
        for span in ReplicaSpan.objects.order_by("id")
    ]


def test_one_that_stays_goes_on_also_while_nobody_looked() -> None:
    look(0, there())
    look(1, there())
    look(300, there())
    assert told() == [(1, 0, 300, True)]


def test_one_that_is_gone_ends_when_it_was_last_seen() -> None:
    look(0, there())
    look(5, there())
    look(9)
    look(20, there())
    assert told() == [(1, 0, 5, False), (1, 20, 20, True)]


def test_one_that_was_added_between_two_looks_begins_when_it_was_added() -> None:
    look(0, there())
    look(10, there(), there(2, added_at=NOON + 4 * MINUTE), there(3))
    assert told() == [(1, 0, 10, True), (2, 4, 10, True), (3, 10, 10, True)]


def test_one_that_serves_something_else_is_another_span() -> None:
    look(0, there())
    look(7, there(model="other"))
    assert told() == [(1, 0, 7, False), (1, 7, 7, True)]


def test_a_look_that_comes_late_changes_nothing() -> None:
    look(5, there())
    look(3, there(), there(2))
    assert told() == [(1, 5, 5, True)]


def test_serving_lists_what_runs_with_the_adapters_on_it() -> None:
    base = make_model(name="base")
    make_model(name="tuned", base=base)
    running, draining, off = (make_replica(model=base) for _ in range(3))
    control.drain_replica(replica=draining)
    control.disable_replica(replica=off)
    found = {each.replica_id: each for each in list_all()}
    assert set(found) == {running.pk, draining.pk}
    assert found[running.pk].models == ("base", "tuned")
    assert found[running.pk].engine == "vllm"
    assert found[running.pk].added_at == running.created_at
