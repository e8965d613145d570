"""Requests made from the OpenAPI document, right and wrong ones, thousands of them.

They are sent to the real application on a real database: in `make test` a few of each
operation by an operator, in `make fuzz` many by an owner and a developer too. What is
answered must be documented and in the shape that the document gives; what breaks the
document's rules must be refused; nothing may be a server error.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from tests.databases import cloned
from tests.isolation.world import World, make_world

pytestmark = pytest.mark.timeout(1200)

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "1"))
CALLERS = ("root", "a owner", "a developer")[: 3 if EXAMPLES > 1 else 1]
# Not: whether what fits the document is taken, for rules go beyond it; and what has
# tests of its own, such as tokens that are made up.
CHECKED = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]

schema = schemathesis.openapi.from_wsgi("/api/v1/schema/", get_wsgi_application())


@pytest.fixture(scope="module")
def world(postgres_server: str, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Provide two tenants, committed, and their callers."""
    with django_db_blocker.unblock(), cloned(postgres_server):
        yield make_world()


@pytest.fixture(scope="module")
def statuses(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Count what was answered, and say it at the end."""
    counted: Counter[str] = Counter()
    yield counted
    total = sum(counted.values())
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        sys.stdout.write(f"\nfuzz: {total:,} cases, {dict(sorted(counted.items()))}\n")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
)
def test_what_is_sent_is_answered_as_documented(
    case: Case[Any], world: World, statuses: Counter[str]
) -> None:
    for caller in world.callers:
        if caller.name in CALLERS:
            headers = {"Authorization": f"Bearer {caller.token}"}
            response = case.call(headers=headers)
            statuses[str(response.status_code)] += 1
            case.validate_response(response, checks=CHECKED)
