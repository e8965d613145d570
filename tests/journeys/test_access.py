"""What is taken from a key is taken on every gateway process within a second.

Four processes follow one database. Tenants' own changes are made in the tenant's role,
operators' in theirs. It holds where announcements get lost, too: then the processes
find out by looking.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connections

from inference.control import publication
from kit import api_keys
from kit.orm.roles import APP, OPERATOR, as_operator, as_tenant
from tenants import services as tenants
from tenants.models import ApiKey
from tests.databases import Database
from tests.factories.control import make_model
from tests.factories.tenants import make_key, make_project
from tests.inference.engines.simulator.running import (
    RunningSimulator,
    running_simulator,
)
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.metered import MODEL, seed
from tests.journeys.gateways import (
    GatewayUnderTest,
    running_gateways,
    seconds_until_all,
)

pytestmark = pytest.mark.timeout(180)

GATEWAYS = 4
SECONDS_MAX = 1.0
ANOTHER_MODEL = "another-model"
EXPIRES_IN = dt.timedelta(seconds=1.5)


@dataclass
class Installation:
    """The gateways, a tenant's key, and how long each change took to arrive."""

    gateways: list[GatewayUnderTest]
    engine: RunningSimulator
    key: str
    row: ApiKey
    figures: list[str] = field(default_factory=list)

    def takes(
        self, what: str, write: Callable[[], object], *, status: int, key: str = ""
    ) -> None:
        """Write as the tenant, and hold every process to the second."""

        def written() -> float:
            with as_tenant(self.row.tenant_id):
                write()
            return time.monotonic()

        self.measure(what, written, status=status, key=key)

    def takes_operator(
        self, what: str, write: Callable[[], object], *, status: int
    ) -> None:
        """Write as an operator, and hold every process to the second."""

        def written() -> float:
            with as_operator():
                write()
            return time.monotonic()

        self.measure(what, written, status=status)

    def measure(
        self, what: str, written: Callable[[], float], *, status: int, key: str = ""
    ) -> None:
        """Hold every process to answering so within a second."""
        took = seconds_until_all(
            self.gateways,
            lambda gateway: gateway.ask(key or self.key, MODEL) == status,
            after=written,
        )
        self.figures.append(f"{what:<12} {' '.join(f'{s * 1000:5.0f}' for s in took)}")
        assert max(took) <= SECONDS_MAX, what


@pytest.fixture
def installation(fresh_database: Database, tmp_path: Path) -> Iterator[Installation]:
    """Run four gateways, and show the figures in the end."""
    with running_simulator() as engine:
        issued = seed(engine.base_url)
        make_model(name=ANOTHER_MODEL)
        with running_gateways(fresh_database, tmp_path, count=GATEWAYS) as gateways:
            running = Installation(gateways, engine, issued.key, issued.row)
            yield running
            print("\nms until each process knew:")  # noqa: T201
            print("\n".join(running.figures))  # noqa: T201
    for alias in (APP, OPERATOR):
        connections[alias].close()


@pytest.mark.parametrize("announcements", ["heard", "lost"])
def test_every_change_is_in_force_on_every_process_within_a_second(
    installation: Installation, announcements: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if announcements == "lost":
        monkeypatch.setattr(publication, "CHANNEL", "nobody_listens_here")
    takes, row = installation.takes, installation.row

    def update(**changes: Any) -> Callable[[], object]:
        return lambda: tenants.update_key(api_key=row, **changes)

    takes("scopes", update(scopes=["models"]), status=403)
    takes("scopes back", update(scopes=["models", "generate"]), status=200)
    takes("models", update(allowed_models=[ANOTHER_MODEL]), status=404)
    takes("models back", update(allowed_models=[]), status=200)
    takes("networks", update(allowed_networks=["10.0.0.0/8"]), status=403)
    takes("networks back", update(allowed_networks=[]), status=200)
    now = dt.datetime.now(tz=dt.UTC)
    takes("disabled", lambda: tenants.disable_key(api_key=row, now=now), status=401)
    takes("enabled", lambda: tenants.enable_key(api_key=row), status=200)
    for what, change, status in (
        ("suspended", tenants.suspend_tenant, 403),
        ("restored", tenants.restore_tenant, 200),
    ):
        write = partial(change, tenant=row.tenant)
        installation.takes_operator(what, write, status=status)
    installation.measure("expired", lambda: _expire(row), status=401)
    takes("prolonged", update(expires_at=None), status=200)
    takes("revoked", lambda: tenants.revoke_key(api_key=row, now=now), status=401)
    _archive(installation)
    assert len({each.snapshot_version() for each in installation.gateways}) == 1


def _expire(row: ApiKey) -> float:
    """Let the key expire shortly; return that instant."""
    ends = dt.datetime.now(tz=dt.UTC) + EXPIRES_IN
    with as_tenant(row.tenant_id):
        tenants.update_key(api_key=row, expires_at=ends)
    return time.monotonic() + (ends - dt.datetime.now(tz=dt.UTC)).total_seconds()


def _archive(installation: Installation) -> None:
    """Archive a project: its keys end, and those of the others do not."""
    tenant = installation.row.tenant
    project = make_project(tenant=tenant)
    ending, staying = make_key(project=project).key, make_key(tenant=tenant).key
    for gateway in installation.gateways:
        for key in (ending, staying):
            while gateway.ask(key, MODEL) != httpx.codes.OK:
                time.sleep(0.01)
    now = dt.datetime.now(tz=dt.UTC)
    installation.takes(
        "archived",
        lambda: tenants.archive_project(project=project, now=now),
        status=401,
        key=ending,
    )
    for gateway in installation.gateways:
        assert gateway.ask(staying, MODEL) == httpx.codes.OK


def test_a_request_in_flight_brings_no_revoked_key_back(
    installation: Installation,
) -> None:
    """What a request holds of its key is never written back, however it ends."""
    installation.engine.change(inter_token_ms=5)
    now = dt.datetime.now(tz=dt.UTC)
    with ExitStack() as stack:
        streams = []
        for gateway in installation.gateways:
            raw = stack.enter_context(RawClient(gateway.port, installation.key))
            raw.chat(MODEL, stream=True, max_tokens=400)
            raw.read_text(" t1 ")
            streams.append(raw)
        installation.takes(
            "revoked",
            lambda: tenants.revoke_key(api_key=installation.row, now=now),
            status=401,
        )
        for raw in streams:
            assert raw.read().chunks[-1]["error"]["code"] == "key_revoked"
    for gateway in installation.gateways:
        assert gateway.ask(installation.key, MODEL) == httpx.codes.UNAUTHORIZED
        assert_no_trace(gateway, installation.key)


def assert_no_trace(gateway: GatewayUnderTest, known: str) -> None:
    """Send keys in every way there is; the process logs none and breaks on none."""
    made_up = api_keys.generate()
    for key in (known, made_up):
        bearer = {"authorization": f"Bearer {key}"}
        for path in (f"/v1/models/{key}", f"/v1/{key}", f"/v1/models?key={key}"):
            gateway.client.get(path)
            gateway.client.get(path, headers=bearer)
            gateway.client.post(path, content=key.encode(), headers=bearer)
        twice = [("authorization", f"Bearer {key}")] * 2
        assert gateway.client.get("/v1/models", headers=twice).status_code == 400
    logged = gateway.log.read_text()
    assert "gateway_starts" in logged
    for trace in (known, made_up, made_up[3:], "Traceback"):
        assert trace not in logged
