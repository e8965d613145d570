"""The OpenAPI document is valid, open to read, and complete in words and examples."""

import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from openapi_spec_validator import OpenAPIV31SpecValidator

from kit.scopes import OPERATORS, Scope
from tests.api.document import Operation, document, example_of, faults, operations

ACCEPTED = "application/vnd.oai.openapi+json"
COMMITTED = Path(__file__).resolve().parents[2] / "platform" / "docs" / "openapi.yaml"
EACH = [pytest.param(each, id=each.id) for each in operations()]


@pytest.fixture
def served(stranger: Client) -> dict[str, Any]:
    """Provide the document as anybody may fetch it."""
    response = stranger.get("/api/v1/schema/", headers={"Accept": ACCEPTED})
    assert response.status_code == 200
    read: dict[str, Any] = json.loads(response.content)
    return read


def test_it_is_valid_openapi_3_1(served: dict[str, Any]) -> None:
    assert served["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(served).validate()


def test_it_is_the_one_that_is_tested_and_committed(served: dict[str, Any]) -> None:
    """Write it anew by `manage.py spectacular --file platform/docs/openapi.yaml`."""
    written = io.StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=written)

    assert json.loads(json.dumps(document())) == served
    assert written.getvalue().strip() == COMMITTED.read_text().strip()


def test_ids_are_unique_and_say_what_is_done_to_what() -> None:
    ids = [each.id for each in operations()]

    assert len(ids) == len(set(ids))
    assert {"list_tenants", "create_key", "revoke_key", "drain_replica"} <= set(ids)
    assert [name for name in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)+", name)] == []


@pytest.mark.parametrize("operation", EACH)
def test_every_operation_has_words_and_one_tag(operation: Operation) -> None:
    assert operation.body["summary"]
    assert operation.body["description"]
    assert operation.body["description"] != operation.body["summary"]
    assert len(operation.body["tags"]) == 1


def test_tags_are_described_and_used() -> None:
    used = {tag for each in operations() for tag in each.body["tags"]}

    described = {tag["name"] for tag in document()["tags"] if tag["description"]}
    assert used == described


@pytest.mark.parametrize("operation", EACH)
def test_every_operation_asks_for_a_token_and_names_its_scope(
    operation: Operation,
) -> None:
    scope = operation.body["x-scope"]
    is_operators = scope in OPERATORS
    kinds = ["operatorToken"] if is_operators else ["operatorToken", "tenantToken"]
    assert operation.body["security"] == [{kind: []} for kind in kinds]
    schemes = document()["components"]["securitySchemes"]
    assert all(schemes[kind]["scheme"] == "bearer" for kind in kinds)
    if scope is None:
        assert operation.id == "read_me"
    else:
        assert f"`{Scope(scope)}`" in operation.body["description"]


@pytest.mark.parametrize("operation", EACH)
def test_every_write_takes_an_idempotency_key_and_every_change_a_version(
    operation: Operation,
) -> None:
    headers = {
        each["name"]
        for each in operation.body.get("parameters", ())
        if each["in"] == "header"
    }
    is_write = operation.method != "get"
    assert ("Idempotency-Key" in headers) == is_write
    if operation.method in {"patch", "put"}:
        assert "If-Match" in headers
    if operation.id.startswith(("retrieve_", "update_")):
        assert "ETag" in operation.body["responses"]["200"]["headers"]


def test_the_server_is_the_one_that_serves_it() -> None:
    assert [server["url"] for server in document()["servers"]] == ["/"]


@pytest.mark.parametrize("operation", EACH)
def test_what_is_refused_has_the_one_shape_and_the_statuses_that_occur(
    operation: Operation,
) -> None:
    parameters = operation.body.get("parameters", ())
    places = {each["in"] for each in parameters}
    names = {each["name"] for each in parameters}
    has_body = operation.request() is not None
    refused = {status for status, _ in operation.responses() if status[0] != "2"}

    assert refused - {"409"} == {
        *("401", "403", "429", "503", "default"),
        *(["400"] if has_body or places & {"query", "header"} else []),
        *(["404"] if "path" in places else []),
        *(["412"] if "If-Match" in names else []),
        *(["415"] if has_body else []),
        *(["422"] if "Idempotency-Key" in names else []),
    }
    for status, media in operation.responses():
        if status in refused:
            assert media["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert operation.body["responses"][status].get("description") != ""


@pytest.mark.parametrize("operation", EACH)
def test_examples_of_request_and_answers_are_as_their_schema_says(
    operation: Operation,
) -> None:
    shown = [media for _, media in operation.responses()]
    if (request := operation.request()) is not None:
        shown.append(request)

    for media in shown:
        assert media["examples"], "every request and answer has an example"
        for example in media["examples"].values():
            assert faults(example["value"], media["schema"]) == []


def test_a_wrong_example_would_be_seen() -> None:
    (created,) = [
        media
        for each in operations()
        if each.id == "create_tenant"
        for status, media in each.responses()
        if status == "201"
    ]
    tenant = example_of(created)

    assert faults(tenant, created["schema"]) == []
    for wrong in (
        {**tenant, "id": "42"},
        {**tenant, "surprise": 1},
        {**tenant, "created_at": "yesterday"},
        {**tenant, "state": "asleep"},
        {name: value for name, value in tenant.items() if name != "slug"},
    ):
        assert len(faults(wrong, created["schema"])) == 1


def test_every_enumeration_has_a_name_of_ours() -> None:
    enums = {
        name
        for name, schema in document()["components"]["schemas"].items()
        if "enum" in schema
    }

    named: Any = settings.SPECTACULAR_SETTINGS["ENUM_NAME_OVERRIDES"]
    assert enums - {"BlankEnum"} == set(named)
    values = Counter(
        tuple(document()["components"]["schemas"][name]["enum"]) for name in enums
    )
    assert set(values.values()) == {1}


def test_a_stale_token_does_not_close_the_document(stranger: Client) -> None:
    stale = {"Authorization": "Bearer stale"}

    assert stranger.get("/api/v1/schema/", headers=stale).status_code == 200
