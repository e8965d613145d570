"""Every operation by every caller on its own, another's and nobody's row.

One test per caller walks all operations of the document, so a new one is in at once: it
fails until its view declares a scope and there is a body that makes it work.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from pytest_django import DjangoDbBlocker, Settings

from kit.orm.roles import APP, OPERATOR
from tests.api.document import JSON, content_of, operations
from tests.databases import cloned
from tests.isolation.bodies import body_of
from tests.isolation.cells import (
    NOWHERE,
    OF_MANAGERS,
    OF_PROJECT,
    OWNED,
    Cell,
    Target,
    cells,
    scope_needed,
)
from tests.isolation.excuses import EXCUSES, OPEN_TO_ALL
from tests.isolation.snapshots import checksum
from tests.isolation.world import Caller, World, make_world

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def world(postgres_server: str, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Provide two tenants, committed, for all tests of the module."""
    with django_db_blocker.unblock(), cloned(postgres_server):
        yield make_world()


@pytest.fixture(autouse=True)
def through_stripe(settings: Settings) -> None:
    """Let payments be asked for: offline they are refused, whoever asks."""
    settings.BILLING_PROVIDER = "stripe"


def test_every_operation_declares_its_scope() -> None:
    undeclared = {each.id for each in operations() if scope_needed(each) is None}
    assert undeclared == OPEN_TO_ALL


def test_the_matrix_holds(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """All cells, and what each caller was answered."""
    wrong: list[str] = []
    counted: Counter[str] = Counter()
    for caller in world.callers:
        for cell in cells(caller):
            fault, status = tried(cell, world)
            counted[str(status)] += 1
            if fault:
                wrong.append(f"{cell}: {fault}")
    with capsys.disabled():
        total = sum(counted.values())
        print(f"\nmatrix: {total:,} cells, {len(wrong)} wrong; {dict(counted)}")  # noqa: T201
    assert wrong == [], "\n".join(wrong[:40])


def tried(cell: Cell, world: World) -> tuple[str | None, int]:
    """Try a cell and undo it; return what is wrong, and the status."""
    with undone(cell.caller):
        other = world.sides["b"].tenant.pk
        watched = cell.caller.side is not None and cell.operation.method != "get"
        response = sent(cell, world)
        if watched and checksum(other) != world.untouched:
            return "changed another tenant's rows", response.status_code
        content = content_of(response)
        is_json = "json" in response.headers.get("Content-Type", JSON)
        body = json.loads(content or b"{}") if is_json else {}
        canary = world.sides["b"].canary
        if cell.caller.side is not None and canary in content.decode(errors="replace"):
            return "shows another tenant's text", response.status_code
        return fault_of(cell, response.status_code, body, world), response.status_code


def sent(cell: Cell, world: World) -> Any:
    """Send the request of a cell."""
    body = body_of(cell.operation, world, cell.caller)
    return cell.caller.client().generic(
        cell.operation.method.upper(),
        cell.path(world),
        "" if body is None else json.dumps(body),
        content_type=JSON,
    )


@contextmanager
def undone(caller: Caller) -> Iterator[None]:
    """Undo what the request of a caller writes."""
    alias = OPERATOR if caller.is_operator or caller.side is None else APP
    with transaction.atomic(using=alias):
        yield
        transaction.set_rollback(True, using=alias)


def fault_of(cell: Cell, status: int, body: Any, world: World) -> str | None:
    """Say what is wrong with an answer; None where it is right."""
    caller, scope = cell.caller, scope_needed(cell.operation)
    if caller.token is None or not caller.scopes:
        return None if status == 401 else f"{status} without a valid token"
    if scope not in caller.scopes and cell.operation.id not in OPEN_TO_ALL:
        lacks = status == 403 and body["error"]["code"] == "scope_missing"
        return None if lacks else f"{status} without the scope: {body}"
    if cell.target is Target.NOWHERE or not reaches(cell):
        if status != 404:
            return f"{status} for a row out of reach: {body}"
        return unlike_nowhere(cell, body, world)
    excused = (cell.operation.id, status) in EXCUSES and not caller.holds_everything
    if 200 <= status < 300 or excused:
        return None
    return f"{status} where it may: {body}"


def reaches(cell: Cell) -> bool:
    """Tell whether the caller reaches the target's row."""
    if cell.target is Target.FOREIGN:
        return cell.caller.is_operator
    words = re.findall(r"([a-z-]+)/\{", cell.operation.path)
    owned = {OWNED.get(word) for word in words}
    if owned & OF_PROJECT and not cell.caller.in_project:
        return False
    return cell.caller.manages or not owned & OF_MANAGERS


def unlike_nowhere(cell: Cell, body: Any, world: World) -> str | None:
    """Compare a refusal with that of a row that does not exist, up to the ids."""
    nowhere = Cell(cell.operation, cell.caller, Target.NOWHERE)
    with undone(cell.caller):
        missing = json.loads(sent(nowhere, world).content)
    if _without_ids(body, cell.path(world)) == _without_ids(
        missing, nowhere.path(world)
    ):
        return None
    return f"differs from a row that is nowhere: {body} {missing}"


def _without_ids(body: Any, path: str) -> str:
    """Return a body without what names this one request."""
    text = re.sub(
        r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", json.dumps(body, sort_keys=True)
    )
    for number in (str(NOWHERE), *re.findall(r"[0-9]+", path.removeprefix("/api/v1"))):
        text = re.sub(rf"\b{number}\b", "ID", text)
    return text
