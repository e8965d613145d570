"""What a caller may set of a row is what the document names, and nothing besides.

Of every write, each field that answers show and the request does not name is sent all
the same: it must be refused, by whomever it comes from.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from pytest_django import DjangoDbBlocker

from kit.orm.roles import APP, OPERATOR
from tests.api.document import JSON, Operation, operations, resolved
from tests.databases import cloned
from tests.isolation.bodies import body_of
from tests.isolation.cells import filled, scope_needed
from tests.isolation.world import Caller, World, make_world

pytestmark = pytest.mark.timeout(1200)

# Of any row: what would make it somebody else's, or more than it is.
COVETED = (
    "id tenant tenant_id role scopes state plan currency set_by digest member user"
    " is_default is_staff is_operator revoked_at archived_at created_at key token"
).split()


@pytest.fixture(scope="module")
def world(postgres_server: str, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Provide two tenants, committed, and their callers."""
    with django_db_blocker.unblock(), cloned(postgres_server):
        yield make_world()


def fields_of(schema: dict[str, Any]) -> set[str]:
    """Return the names of a schema's fields."""
    return set(resolved(schema).get("properties", {}))


def shown(operation: Operation) -> set[str]:
    """Return the fields that the answer of an operation shows."""
    success = [each for status, each in operation.responses() if status[0] == "2"]
    return fields_of(success[0]["schema"]) if success else set()


def writes() -> list[Operation]:
    """Return the operations that take a body."""
    return [each for each in operations() if each.request() is not None]


@pytest.mark.parametrize("operation", writes(), ids=lambda each: each.id)
def test_no_field_is_taken_that_is_not_named(
    world: World, operation: Operation
) -> None:
    media = operation.request()
    assert media is not None
    named = fields_of(media["schema"])
    taken = []
    for caller in world.callers:
        if scope_needed(operation) not in caller.scopes:
            continue
        alias = OPERATOR if caller.is_operator else APP
        for field in sorted((shown(operation) | set(COVETED)) - named):
            with transaction.atomic(using=alias):
                status = sent(operation, world, caller, field)
                transaction.set_rollback(True, using=alias)
            if status not in {400, 403, 404}:
                taken.append((caller.name, field, status))
    assert taken == []


def sent(operation: Operation, world: World, caller: Caller, field: str) -> int:
    """Send a right body with one field too many; return the status."""
    body = {**(body_of(operation, world, caller) or {}), field: 1}
    response = caller.client().generic(
        operation.method.upper(),
        filled(operation.path, world, world.sides["a"]),
        json.dumps(body),
        content_type=JSON,
    )
    return response.status_code
