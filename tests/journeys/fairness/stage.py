"""Three gateways before one engine that is full, and tenants on plans of any weight.

The engine is a process of its own: what it takes is no delay of whoever measures.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from inference.control.models import Replica
from inference.control.services import update_replica
from inference.scheduling.accounts import WEIGHT_USUAL
from kit.orm.roles import as_operator
from tenants.models import Tenant
from tenants.services import set_plan, update_plan
from tests.databases import Database
from tests.factories.control import make_model, make_replica
from tests.factories.limits import make_plan
from tests.inference.engines.simulator.running import PATIENCE_S, RunningSimulator
from tests.inference.limiting.store import Store
from tests.journeys.gateways import GatewayUnderTest, running_gateways
from tests.journeys.limits.cluster import MODEL, Cluster, Customer

GATEWAYS = 3
# More than anybody asks for at once: the engine's own queue is the only one.
NO_SLOTS = 4096
PREFILL_US_PER_TOKEN = 1_000
INTER_TOKEN_MS = 20


@dataclass(frozen=True)
class Stage:
    """The processes, and the replica that everybody wants."""

    cluster: Cluster
    replica: Replica
    slots: int

    def customer(self, *, weight: int = WEIGHT_USUAL) -> Customer:
        """Make a tenant whose plan has this weight."""
        customer = self.cluster.customer()
        if weight != WEIGHT_USUAL:
            with as_operator():
                plan = update_plan(plan=make_plan(), weight=weight)
                tenant = Tenant.objects.get(pk=customer.tenant_id)
                set_plan(tenant=tenant, plan=plan)
        self.cluster.await_published(customer)
        return customer

    def share(self, customer: Customer, *, is_fair: bool) -> None:
        """Let the gateways share the engine's places; or leave it all to the engine."""
        slots = self.slots if is_fair else NO_SLOTS
        with as_operator():
            update_replica(replica=self.replica, slots=slots)
        self.cluster.await_published(customer)

    def metric(self, gateway: GatewayUnderTest, name: str) -> float:
        """Return the sum of a metric over its labels."""
        page = gateway.client.get("/metrics").text
        return sum(
            float(line.rpartition(" ")[2])
            for line in page.splitlines()
            if line.startswith(f"{name}{{")
        )


@contextlib.contextmanager
def running_stage(database: Database, folder: Path, *, slots: int) -> Iterator[Stage]:
    """Run engine, store and gateways until the block ends."""
    with _engine(slots) as engine, Store(folder) as store:
        with as_operator():
            model = make_model(name=MODEL)
            replica = make_replica(
                model=model, url=engine.base_url, upstream_model="sim"
            )
            update_replica(replica=replica, slots=slots)
        with running_gateways(
            database,
            folder,
            count=GATEWAYS,
            REDIS_URL=store.url,
            RATE_LIMITER_TIMEOUT_MS="500",
        ) as processes:
            yield Stage(Cluster(database, processes, engine), replica, slots)


@contextlib.contextmanager
def _engine(places: int) -> Iterator[RunningSimulator]:
    command = [sys.executable, "-m", "inference.engines.simulator", "--port", "0"]
    for option, value in (
        ("sequences-max", places),
        ("prefill-us-per-token", PREFILL_US_PER_TOKEN),
        ("inter-token-ms", INTER_TOKEN_MS),
    ):
        command += [f"--{option}", str(value)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            line = process.stdout.readline().decode() if process.stdout else ""
            port = urlsplit(line.split()[1]).port
            assert port is not None, line
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(
                base_url=url, trust_env=False, timeout=PATIENCE_S
            ) as client:
                yield RunningSimulator(port, client)
        finally:
            process.kill()
