"""Killed anywhere, or several at once: meters count what was used, once."""

import itertools
import signal
from collections.abc import Iterator

import pytest

from kit.orm.roles import as_operator
from metering.billing.models import ProviderCustomer
from metering.collection.models import MeterEvent
from tests.databases import Database
from tests.factories.tenants import make_tenant
from tests.metering.collection.meters.dying import Work, started
from tests.metering.collection.meters.scene import Metered
from tests.standins.stripe import StripeStandIn

PATIENCE_S = 60
# One that tells of two counts writes more often than this, and less than that.
WRITES = range(10, 60)


@pytest.fixture
def committed(fresh_database: Database) -> Iterator[Metered]:
    """Provide use of two counts, committed."""
    with StripeStandIn() as standin, as_operator():
        scene = Metered(standin)
        scene.use(input_tokens=900, output_tokens=70)
        yield scene


def run(database: Database, scene: Metered, nth: int = 0) -> int | None:
    """Let a worker note and tell; return how it ended."""
    worker = started(Work(database, scene.standin.url, nth))
    worker.join(PATIENCE_S)
    return worker.exitcode


def there(scene: Metered) -> list[int]:
    """Return what the meters hold, by event."""
    names = ("input_tokens", "output_tokens")
    return [
        use.value for name in names for use in scene.account.uses[scene.meters[name]]
    ]


@pytest.mark.timeout(600)
def test_killed_anywhere_it_is_told_once(
    fresh_database: Database, committed: Metered
) -> None:
    for nth in itertools.count(1):
        ended = run(fresh_database, committed, nth)
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
        # What it was doing is due again at once.
        assert there(committed) in ([], [900], [900, 70])
    assert nth in WRITES
    assert there(committed) == [900, 70]
    assert set(MeterEvent.objects.values_list("state", flat=True)) == {"told"}
    assert ProviderCustomer.objects.count() == 1


@pytest.mark.timeout(300)
def test_two_workers_tell_each_event_once(
    fresh_database: Database, committed: Metered
) -> None:
    for number in range(1, 13):
        committed.use(tenant=make_tenant(), input_tokens=number)
    committed.standin.hold_to_limits()
    workers = [started(Work(fresh_database, committed.standin.url)) for _ in range(3)]
    for worker in workers:
        worker.join(PATIENCE_S)
        assert worker.exitcode == 0
    assert run(fresh_database, committed) == 0
    assert not MeterEvent.objects.exclude(state="told").exists()
    assert not MeterEvent.objects.filter(refusals__gt=0).exists()
    values = sorted(there(committed))
    assert values == sorted([900, 70, *range(1, 13)])
    assert len(committed.sent()) == len(values)
