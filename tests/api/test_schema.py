"""The OpenAPI document is valid, open to read, and complete in words."""

import json
import warnings
from typing import Any

import pytest
from django.test import Client
from openapi_spec_validator import OpenAPIV31SpecValidator

from config.api import SchemaGenerator

JSON = "application/vnd.oai.openapi+json"

# Nothing is collected into the static folder before a first start, and that is right.


@pytest.fixture
def document(stranger: Client) -> dict[str, Any]:
    """Provide the document as anybody may fetch it."""
    response = stranger.get("/api/v1/schema/", headers={"Accept": JSON})
    assert response.status_code == 200
    read: dict[str, Any] = json.loads(response.content)
    return read


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(document).validate()


def test_operations_have_unique_ids_summaries_and_described_tags(
    document: dict[str, Any],
) -> None:
    operations = [
        operation for item in document["paths"].values() for operation in item.values()
    ]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    assert {"list_tenants", "create_key", "revoke_key", "drain_replica"} <= set(ids)
    assert all(operation["summary"] for operation in operations)
    used = {tag for operation in operations for tag in operation["tags"]}
    described = {tag["name"] for tag in document["tags"] if tag["description"]}
    assert used == described


def test_every_operation_asks_for_the_token_and_says_so(
    document: dict[str, Any],
) -> None:
    for item in document["paths"].values():
        for operation in item.values():
            assert operation["security"] == [{"operatorToken": []}]
            assert "401" in operation["responses"]


def test_it_is_made_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]


def test_the_pages_are_open_and_load_nothing_from_elsewhere(stranger: Client) -> None:
    page = stranger.get("/api/v1/docs/")
    script = stranger.get("/api/v1/docs/?script=")
    assert page.status_code == script.status_code == 200
    assert "javascript" in script["Content-Type"]
    assert b"://" not in page.content.replace(b"http://testserver", b"")


def test_a_stale_token_does_not_close_the_pages(stranger: Client) -> None:
    stale = {"Authorization": "Bearer stale"}
    assert stranger.get("/api/v1/schema/", headers=stale).status_code == 200
