"""What operators change reaches a running gateway within a second, announced or not."""

import datetime as dt
import time
from collections.abc import Callable, Iterator

import pytest

from inference.control import services as control
from inference.control.models import Replica, ServedModel
from inference.routing import snapshot as routing
from kit.orm.roles import as_operator
from tenants import services as tenants
from tenants.models import Tenant
from tests.databases import Database
from tests.factories.pricing import make_book, make_price
from tests.inference.engines.simulator.running import running_simulator
from tests.inference.gateway.metered import (
    MODEL,
    MeteredGateway,
    metered_gateway,
    seed,
)
from tests.inference.gateway.polling import wait_until

# The promise is a second; the rest is for a machine that does other things too.
SECONDS_MAX = 1.0 + 1.0


@pytest.fixture(params=["announced", "polled"])
def metered(
    request: pytest.FixtureRequest,
    fresh_database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[MeteredGateway]:
    """Give a gateway that hears announcements only, or none and has to look."""
    if request.param == "announced":
        monkeypatch.setattr(routing, "POLL_S", 600.0)
    else:
        monkeypatch.setattr(routing, "CHANNEL", "nobody_speaks_here")
    with running_simulator(inter_token_ms=5) as simulator:
        issued = seed(simulator.base_url)
        with metered_gateway(fresh_database, issued) as running:
            assert running.ask().status_code == 200
            yield running


def seconds_until(seen: Callable[[], bool], *, after: Callable[[], object]) -> float:
    """Do something as the operator; return how long it takes to be seen."""
    with as_operator():
        after()
    started = time.monotonic()
    wait_until(seen)
    return time.monotonic() - started


def test_changes_are_in_force_within_a_second(metered: MeteredGateway) -> None:
    with as_operator():
        model = ServedModel.objects.get(name=MODEL)
        replica = Replica.objects.get()
        tenant = Tenant.objects.get(pk=metered.issued.row.tenant_id)
    key = metered.issued.row

    def answers(status: int) -> Callable[[], bool]:
        return lambda: metered.ask().status_code == status

    steps: list[tuple[Callable[[], object], int]] = [
        (lambda: control.drain_replica(replica=replica), 503),
        (lambda: control.activate_replica(replica=replica), 200),
        (lambda: control.disable_model(model=model), 404),
        (lambda: control.enable_model(model=model), 200),
        (lambda: tenants.suspend_tenant(tenant=tenant), 403),
        (lambda: tenants.restore_tenant(tenant=tenant), 200),
        (
            lambda: tenants.revoke_key(api_key=key, now=dt.datetime.now(tz=dt.UTC)),
            401,
        ),
    ]
    for step, status in steps:
        assert seconds_until(answers(status), after=step) < SECONDS_MAX


def test_a_revoked_key_ends_its_running_stream(metered: MeteredGateway) -> None:
    with metered.raw() as raw:
        raw.chat(MODEL, stream=True, max_tokens=2_000)
        raw.read_text(" t1 ")
        with as_operator():
            now = dt.datetime.now(tz=dt.UTC)
            tenants.revoke_key(api_key=metered.issued.row, now=now)
        assert raw.read().chunks[-1]["error"]["code"] == "key_revoked"


def test_a_published_price_makes_a_model_callable_at_once(
    fresh_database: Database,
) -> None:
    with running_simulator() as simulator:
        issued = seed(simulator.base_url, priced=False)
        with metered_gateway(fresh_database, issued) as gateway:
            refused = gateway.ask()
            assert refused.json()["error"]["code"] == "model_not_priced"

            def publish() -> None:
                make_price(model=MODEL, book=make_book(is_default=True))

            took = seconds_until(
                lambda: gateway.ask().status_code == 200, after=publish
            )
            assert took < SECONDS_MAX
