"""What the page of metrics tells of replicas, in a whole gateway process."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from inference.control.models import ServedModel
from kit.orm.roles import as_operator
from tests.databases import Database
from tests.factories.control import make_replica
from tests.inference.engines.simulator.running import running_simulator
from tests.inference.gateway.metered import (
    MODEL,
    MeteredGateway,
    free_port,
    metered_gateway,
    seed,
)
from tests.inference.gateway.polling import wait_until

pytestmark = pytest.mark.timeout(120)


def values(gateway: MeteredGateway, name: str) -> dict[str, float]:
    """Return a family's numbers by its label."""
    page = gateway.client.get("/metrics").text
    found = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name == name:
                (label,) = sample.labels.keys() - {"gateway"}
                found[sample.labels[label]] = sample.value
    return found


def test_a_dead_replica_is_seen_there_before_and_after_it_is_met(
    fresh_database: Database,
) -> None:
    with running_simulator(inter_token_ms=20) as engine:
        issued = seed(engine.base_url)
        with as_operator():
            model = ServedModel.objects.get(name=MODEL)
            well = f"{MODEL}/{model.replicas.get().name}"
        gone = make_replica(model=model, url=f"http://127.0.0.1:{free_port()}")
        dead = f"{MODEL}/{gone.name}"
        with metered_gateway(fresh_database, issued, engine_probe_ms=100) as gateway:
            wait_until(lambda: values(gateway, "tollgate_replica_up")[dead] == 0)
            assert values(gateway, "tollgate_replica_up")[well] == 1
            # It was found dead by probes: no request had to be tried again.
            for _ in range(4):
                assert gateway.ask().status_code == 200
            assert values(gateway, "tollgate_retries_total") == {}
            assert values(gateway, "tollgate_replica_breaker") == {well: 0, dead: 0}

            with gateway.raw() as raw:
                raw.chat(MODEL, stream=True, max_tokens=20_000)
                raw.read_text(" t3 ")
                requests = values(gateway, "tollgate_replica_requests")
                assert requests == {well: 1, dead: 0}
                raw.leave()
            wait_until(
                lambda: not any(values(gateway, "tollgate_replica_requests").values())
            )


def test_retries_are_counted_by_what_went_wrong(fresh_database: Database) -> None:
    with running_simulator() as engine:
        issued = seed(f"http://127.0.0.1:{free_port()}")
        with as_operator():
            model = ServedModel.objects.get(name=MODEL)
        make_replica(model=model, url=engine.base_url, upstream_model="sim")
        # No probe comes before the requests.
        options = {"engine_probe_ms": 600_000}
        with metered_gateway(fresh_database, issued, **options) as gateway:
            for _ in range(6):
                assert gateway.ask().status_code == 200
            retries = values(gateway, "tollgate_retries_total")
            assert set(retries) <= {"unreachable"}
            assert sum(retries.values()) >= 1


def test_missed_deadlines_are_counted(fresh_database: Database) -> None:
    with running_simulator(fault="silent") as engine:
        issued = seed(engine.base_url)
        options = {"engine_first_byte_ms": 100}
        with metered_gateway(fresh_database, issued, **options) as gateway:
            assert gateway.ask().status_code == 504
            missed = values(gateway, "tollgate_engine_deadlines_total")
            assert missed == {"first_byte": 1}
