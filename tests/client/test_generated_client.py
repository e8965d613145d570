"""A client generated from the document is whole, typed, and talks to the product.

What a generator leaves out, or cannot type, is what people's own tools would stumble
over: the document is then to be mended.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import yaml
from django.conf import settings
from django.core.wsgi import get_wsgi_application

from tests.api.document import document, operations
from tests.factories.tenants import make_project

PACKAGE = "tollgate_client"
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate the client; return the folder that holds its package."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "openapi.yaml").write_text(yaml.safe_dump(document(), sort_keys=False))
    # A PDF is bytes to a client.
    overrides = {"application/pdf": "application/octet-stream"}
    (folder / "config.yaml").write_text(
        yaml.safe_dump({"content_type_overrides": overrides})
    )
    done = subprocess.run(
        [
            BIN / "openapi-python-client",
            "generate",
            "--path=openapi.yaml",
            "--config=config.yaml",
            "--meta=none",
            f"--output-path={PACKAGE}",
            "--fail-on-warning",
        ],
        cwd=folder,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def client(generated: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Import the generated package for one test."""
    monkeypatch.syspath_prepend(str(generated))
    yield importlib.import_module(PACKAGE)
    for name in [name for name in sys.modules if name.split(".")[0] == PACKAGE]:
        del sys.modules[name]


def test_it_has_every_operation(generated: Path) -> None:
    modules = {path.stem for path in (generated / PACKAGE / "api").rglob("*.py")}
    assert {each.id for each in operations()} <= modules


def test_it_is_typed(generated: Path) -> None:
    done = subprocess.run(
        [
            BIN / "mypy",
            "--strict",
            "--config-file=",
            f"--cache-dir={generated / 'cache'}",
            "--package",
            PACKAGE,
        ],
        cwd=generated,
        capture_output=True,
        text=True,
        check=False,
    )
    # The generator writes `client.py` whatever the document says.
    ours = [line for line in done.stdout.splitlines() if "/client.py:" not in line]
    assert [line for line in ours if ": error:" in line] == []
    assert "checked" in done.stdout


@pytest.mark.usefixtures("fresh_database")
def test_it_talks_to_the_product(client: ModuleType) -> None:
    project = make_project(name="Support bot")
    api = client.AuthenticatedClient("http://localhost", settings.OPERATOR_TOKEN)
    transport = httpx.WSGITransport(app=get_wsgi_application())
    headers = {"Authorization": f"Bearer {settings.OPERATOR_TOKEN}"}
    api.set_httpx_client(
        httpx.Client(transport=transport, base_url="http://localhost", headers=headers)
    )
    models = importlib.import_module(f"{PACKAGE}.models")

    def call(path: str, **given: object) -> Any:
        module = importlib.import_module(f"{PACKAGE}.api.{path}")
        return module.sync(client=api, **given)

    page = call("projects.list_projects", tenant=project.tenant_id)
    assert isinstance(page, models.ProjectPage), page
    assert [row.name for row in page.data] == ["Support bot", "Default"]
    issued = call(
        "keys.create_key",
        body=models.KeyCreateRequest(project=project.pk, name="generated"),
    )
    assert issued.key.startswith("tg_")
    usage = call("usage.read_usage", tenant=project.tenant_id)
    assert usage.total.requests == 0
    refused = call("tenants.retrieve_tenant", id=999_999_999)
    assert refused.error.code == "not_found"
