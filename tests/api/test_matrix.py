"""Every operation of the management API: who may call it, and how it refuses.

The operations come from the OpenAPI document, so a new endpoint is in at once.
"""

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from tests.api.document import METHODS, at_number, document, faults
from tests.factories.tenants import make_tenant

UNKNOWN_ID = 999_999_999
# What an operator must say besides of what it asks for.
QUERIES = {"/api/v1/usage/requests/{id}/": "?tenant={tenant}"}
ERROR = {"$ref": "#/components/schemas/Problem"}


def operations(*, with_id: bool = False) -> list[tuple[str, str]]:
    """List (method, path) of all operations, or of those on one object."""
    return [
        (method, path)
        for path, item in document()["paths"].items()
        for method in METHODS
        if method in item and (not with_id or "{" in path)
    ]


def at_unknown(path: str) -> str:
    """Fill the ids of a path with such as there is nothing of."""
    return at_number(path, UNKNOWN_ID)


def is_error(body: Any) -> bool:
    """Tell whether the body has the one shape of errors, and says something."""
    return faults(body, ERROR) == [] and bool(body["error"]["message"])


def test_every_route_of_the_api_is_documented() -> None:
    """The document and the URLconf name the same addresses."""
    documented = {re.sub(r"\{[^}]+\}", "{}", path) for path in document()["paths"]}
    served = set(_api_routes())
    assert served - documented == {"/api/v1/schema/", "/api/v1/docs/"}
    assert documented <= served
    assert len(documented) > 10


def _api_routes() -> list[str]:
    found: list[str] = []

    def walk(patterns: list[Any], prefix: str) -> None:
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if hasattr(pattern, "url_patterns"):
                walk(pattern.url_patterns, path)
            elif path.startswith("api/v1/"):
                found.append("/" + re.sub(r"<[^>]+>", "{}", path))

    walk(get_resolver().url_patterns, "")
    return found


@pytest.mark.parametrize(("method", "path"), operations())
def test_without_a_token_it_is_401_with_a_challenge(
    stranger: Client, method: str, path: str
) -> None:
    response = stranger.generic(method.upper(), at_unknown(path))
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert is_error(response.json())


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Bearer", "bearer \u00e9", "Basic x"]
)
@pytest.mark.parametrize(("method", "path"), operations()[:2])
def test_with_a_wrong_token_it_is_401_with_a_challenge(
    stranger: Client, method: str, path: str, header: str
) -> None:
    response = stranger.generic(
        method.upper(), at_unknown(path), headers={"Authorization": header}
    )
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert is_error(response.json())


@pytest.mark.parametrize(("method", "path"), operations(with_id=True))
def test_an_unknown_id_is_404(operator: Client, method: str, path: str) -> None:
    query = QUERIES.get(path, "")
    response = operator.generic(
        method.upper(),
        at_unknown(path) + (query and query.format(tenant=make_tenant().pk)),
        "{}",
        content_type="application/json",
    )
    assert response.status_code == 404, response.content
    assert is_error(response.json())


@pytest.mark.parametrize(
    ("method", "path"),
    [pair for pair in operations() if pair[0] == "post" and "{" not in pair[1]],
)
@pytest.mark.parametrize(
    "body", ["{", "[]", '{"nonsense": 1}', pytest.param("[" * 50_000, id="deep")]
)
def test_a_wrong_body_is_400(
    operator: Client, method: str, path: str, body: str
) -> None:
    response = operator.generic(
        method.upper(), path, body, content_type="application/json"
    )
    assert response.status_code == 400, response.content
    assert is_error(response.json())


@pytest.mark.parametrize(
    "path",
    [path for method, path in operations() if method == "get" and "{" not in path],
)
@pytest.mark.parametrize(
    "query", ["nonsense=1", "limit=0", "limit=x", "cursor=%00", "cursor=cD1hYmM="]
)
def test_a_wrong_query_is_400_and_names_the_filter(
    operator: Client, path: str, query: str
) -> None:
    parameters = document()["paths"][path]["get"].get("parameters", ())
    names = [each["name"] for each in parameters]
    if not query.startswith("nonsense") and query.partition("=")[0] not in names:
        pytest.skip("this list is not paged")
    response = operator.get(f"{path}?{query}")
    assert response.status_code == 400, response.content
    assert is_error(response.json())
    assert response.json()["error"]["param"] == query.partition("=")[0]


@pytest.mark.parametrize(("method", "path"), operations())
def test_every_answer_has_a_request_id(
    operator: Client, method: str, path: str
) -> None:
    sent = "0192e0f2-6c3f-7c1a-8000-000000000000"
    address = at_unknown(path)
    own = operator.generic(method.upper(), address)
    echoed = operator.generic(method.upper(), address, headers={"x-request-id": sent})
    forged = operator.generic(method.upper(), address, headers={"x-request-id": "<x>"})
    assert re.fullmatch(r"[0-9a-f-]{36}", own["x-request-id"])
    assert echoed["x-request-id"] == sent
    assert forged["x-request-id"] not in {"<x>", own["x-request-id"]}


def test_an_unknown_address_is_json_too(operator: Client) -> None:
    response = operator.get("/api/v1/nothing/")
    assert response.status_code == 404
    assert is_error(response.json())


def methods_of(path: str) -> set[str]:
    """Return the methods that a path has."""
    return {method for method in METHODS if method in document()["paths"][path]}


@pytest.mark.parametrize("path", list(document()["paths"]))
def test_a_method_that_is_not_there_is_405_and_names_those_that_are(
    operator: Client, path: str
) -> None:
    for method in set(METHODS) - methods_of(path):
        response = operator.generic(
            method.upper(), at_unknown(path), "{}", content_type="application/json"
        )
        assert response.status_code == 405
        assert is_error(response.json())
        named = {name.strip().lower() for name in response["Allow"].split(",")}
        assert named - {"options", "head"} == methods_of(path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pair
        for pair in operations()
        if "requestBody" in document()["paths"][pair[1]][pair[0]] and "{" not in pair[1]
    ],
)
def test_a_body_that_is_not_json_is_415(
    operator: Client, method: str, path: str
) -> None:
    response = operator.generic(method.upper(), path, "x", content_type="text/plain")
    assert response.status_code == 415
    assert is_error(response.json())


def test_a_bug_is_500_with_nothing_internal(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("the database password is hunter-two")

    monkeypatch.setattr("tenants.selectors.tenants", broken)
    response = operator.get("/api/v1/tenants/")
    assert response.status_code == 500
    assert is_error(response.json())
    assert "hunter-two" not in json.dumps(response.json())
