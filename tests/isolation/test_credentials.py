"""Tokens that open nothing, on every route: one status, one shape, the same work.

What the answer costs must not tell a token that was valid once from one that is made
up. Time itself is too noisy to assert on: what is compared is what is asked of the
database.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoDbBlocker

from kit import api_keys
from kit.orm.atomic import atomic
from kit.orm.roles import OPERATOR, as_operator
from kit.scopes import TENANTS
from tenants.models import ManagementToken
from tests.api.document import JSON, Operation, operations
from tests.databases import cloned
from tests.factories.tenants import make_key
from tests.isolation.cells import filled
from tests.isolation.world import World, make_token, make_world

pytestmark = pytest.mark.timeout(1200)

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def world(postgres_server: str, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Provide two tenants, committed."""
    with django_db_blocker.unblock(), cloned(postgres_server):
        yield make_world()


@pytest.fixture(scope="module")
def wellformed(world: World) -> Mapping[str, str]:
    """Provide tokens in the right form that open nothing, by why."""
    side = world.sides["a"]
    with as_operator(), atomic():
        found = {"unknown": api_keys.generate(api_keys.TENANT_TOKEN_PREFIX)}
        for why in ("revoked", "expired"):
            row, found[why] = make_token(side, TENANTS)
            gone = {"revoked_at" if why == "revoked" else "expires_at": LONG_AGO}
            ManagementToken.objects.filter(pk=row.pk).update(**gone)
    return found


@pytest.fixture(scope="module")
def headers(world: World, wellformed: Mapping[str, str]) -> Mapping[str, str]:
    """Provide headers that open nothing, by what is wrong with them."""
    api_key = make_key(tenant=world.sides["a"].tenant).key
    bearers = {
        **wellformed,
        "API key": api_key,
        "no checksum": wellformed["unknown"][:-1] + "!",
        "SQL": "tgt_' OR digest IS NOT NULL; DROP TABLE tenants_tenant; --",
        "NUL": "tgt_\x00" + "x" * 40,
        "huge": "tgt_" + "x" * 100_000,
        "not ASCII": "tgt_\u00e9\u00ff",
        "two tokens": f"{wellformed['unknown']}, {wellformed['revoked']}",
        "nothing": "",
    }
    found = {why: f"Bearer {token}" for why, token in bearers.items()}
    return found | {"Basic": "Basic cm9vdDpyb290", "no scheme": wellformed["unknown"]}


def sent(operation: Operation, world: World, header: str) -> tuple[int, bytes, str]:
    """Call an operation with a header; return status, body and challenge."""
    client = Client(raise_request_exception=False)
    response = client.generic(
        operation.method.upper(),
        filled(operation.path, world, world.sides["a"]),
        "{}",
        content_type=JSON,
        HTTP_AUTHORIZATION=header,
        # Throttling of failures has tests of its own; here each comes from elsewhere.
        REMOTE_ADDR=next(_addresses),
    )
    challenge = response.headers.get("WWW-Authenticate", "")
    return response.status_code, response.content, challenge


def _all_addresses() -> Iterator[str]:
    while True:
        for number in range(2**24):
            yield f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


_addresses = _all_addresses()


def test_on_every_route_each_is_401_with_a_challenge(
    world: World, headers: Mapping[str, str]
) -> None:
    wrong = []
    for operation in operations():
        for why, header in headers.items():
            status, body, challenge = sent(operation, world, header)
            if (status, challenge) != (401, "Bearer") or b"invalid" not in body:
                wrong.append(f"{operation.id}, {why}: {status} {body!r}")
            if len(header) > 40 and header[7:].encode() in body:
                wrong.append(f"{operation.id}, {why}: shown again")
    assert wrong == []


def test_what_was_valid_once_costs_what_is_made_up(
    world: World, wellformed: Mapping[str, str]
) -> None:
    for operation in operations():
        asked = {}
        for why, token in wellformed.items():
            with CaptureQueriesContext(connections[OPERATOR]) as captured:
                sent(operation, world, f"Bearer {token}")
            asked[why] = [
                query["sql"].replace(digest_of(token), "?")
                for query in captured.captured_queries
            ]
        shapes = {tuple(_without_times(sql) for sql in each) for each in asked.values()}
        assert len(shapes) == 1, (operation.id, asked)


def digest_of(token: str) -> str:
    """Return the digest that a token is looked up by."""
    return api_keys.digest(token, settings.MANAGEMENT_TOKEN_SECRET)


def _without_times(sql: str) -> str:
    return re.sub(r"'[0-9]{4}-[^']*'", "'?'", sql)
