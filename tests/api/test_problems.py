"""Every refusal is a problem document: what is wrong, and what to change."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from tests.api.document import faults
from tests.factories.subscriptions import make_draft_version

API = "/api/v1/"
JSON = "application/json"
REQUEST = "0192e0f2-6c3f-7c1a-8000-0000000000aa"


def refusal(answer: Any, status: int) -> Any:
    """Hold an answer against the shape; return its body."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert faults(body, {"$ref": "#/components/schemas/Problem"}) == []
    assert body["status"] == status
    assert body["detail"] == body["error"]["message"]
    assert body["instance"] == f"urn:uuid:{answer['x-request-id']}"
    return body


def test_every_wrong_field_is_named_with_what_to_change(operator: Client) -> None:
    answer = operator.post(
        f"{API}models/",
        {"context_tokens": "many", "max_output_tokens": -1},
        content_type=JSON,
    )
    body = refusal(answer, 400)
    wrong = {fault["param"]: fault for fault in body["errors"]}
    assert set(wrong) == {"name", "context_tokens", "max_output_tokens"}
    assert all(fault["message"] and fault["code"] for fault in body["errors"])
    assert body["error"]["param"] == body["errors"][0]["param"]


def test_unknown_fields_are_named_beside_the_wrong_ones(operator: Client) -> None:
    answer = operator.post(
        f"{API}tenants/", {"slug": 7, "nmae": "Acme", "b": 1}, content_type=JSON
    )
    body = refusal(answer, 400)
    codes = {fault["param"]: fault["code"] for fault in body["errors"]}
    assert codes == {
        "b": "unknown_field",
        "nmae": "unknown_field",
        "slug": "invalid_type",
        "name": "required",
    }


def test_a_wrong_choice_is_told_what_there_is(operator: Client) -> None:
    body = refusal(operator.get(f"{API}tenants/?state=asleep"), 400)
    assert body["detail"] == "Choose one of: active, suspended."


def test_an_endless_list_of_faults_ends(operator: Client) -> None:
    many = {f"field{number}" + "x" * 500: 1 for number in range(500)}
    body = refusal(operator.post(f"{API}tenants/", many, content_type=JSON), 400)
    assert len(body["errors"]) == 50
    assert max(len(fault["param"]) for fault in body["errors"]) == 200


def test_a_field_in_a_list_is_named_by_its_place(operator: Client) -> None:
    book = operator.post(
        f"{API}price-books/",
        {"name": "One", "currency": "EUR", "is_default": False},
        content_type=JSON,
    ).json()["id"]
    versions = f"{API}price-books/{book}/versions/"
    draft = {"effective_at": "2099-01-01T00:00:00Z"}
    operator.post(versions, draft, content_type=JSON)
    right = {
        "model": "m",
        "input_per_million": "1",
        "cached_input_per_million": "1",
        "output_per_million": "1",
    }
    prices = {"prices": [right, {**right, "output_per_million": 1.5}]}
    answer = operator.put(f"{versions}1/prices/", prices, content_type=JSON)
    body = refusal(answer, 400)
    assert body["errors"][0]["param"] == "prices.1.output_per_million"


def test_the_kinds_that_no_view_makes_have_the_shape_too(operator: Client) -> None:
    unknown = refusal(operator.get(f"{API}nothing/"), 404)
    assert "/api/v1/docs/" in unknown["detail"]
    method = refusal(operator.delete(f"{API}tenants/"), 405)
    assert "GET, POST" in method["detail"]
    media = refusal(
        operator.post(f"{API}tenants/", "x", content_type="text/plain"), 415
    )
    assert "application/json" in media["detail"]
    accept = refusal(
        operator.get(f"{API}tenants/", headers={"Accept": "text/html"}), 406
    )
    assert "application/json" in accept["detail"]
    host = operator.get(f"{API}tenants/", headers={"Host": "elsewhere.example"})
    refusal(host, 400)


def test_a_body_that_is_too_large_is_413(operator: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    body = {"slug": "acme", "name": "x" * 200}
    answer = operator.post(
        f"{API}tenants/", body, content_type=JSON, headers={"Idempotency-Key": "k"}
    )
    assert refusal(answer, 413)["error"]["code"] == "request_too_large"


def test_a_bug_names_the_request_and_nothing_internal(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr("tenants.selectors.tenants", broken)
    answer = operator.get(f"{API}tenants/", headers={"x-request-id": REQUEST})
    body = refusal(answer, 500)
    assert body["instance"] == f"urn:uuid:{REQUEST}"
    assert REQUEST in body["detail"]
    assert "secret" not in answer.content.decode()


def test_a_database_that_is_away_is_503_and_says_when_to_try_again(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(**_: Any) -> None:
        raise OperationalError("connection to 10.0.0.1 refused")

    monkeypatch.setattr("tenants.selectors.tenants", away)
    answer = operator.get(f"{API}tenants/")
    body = refusal(answer, 503)
    assert int(answer["Retry-After"]) > 0
    assert body["error"]["code"] == "service_unavailable"
    assert "10.0.0.1" not in answer.content.decode()


def test_half_of_a_surrogate_pair_is_no_text(operator: Client) -> None:
    for body in (
        '{"slug": "\\ud800"}',
        '{"\\udfff\\ud800": 1}',
        '[{"a": ["\\uD8FF"]}]',
    ):
        answer = operator.post(f"{API}tenants/", body, content_type=JSON)
        assert "surrogate" in refusal(answer, 400)["detail"]
    whole = operator.post(
        f"{API}tenants/", '{"slug": "\\ud83d\\ude00"}', content_type=JSON
    )
    assert "surrogate" not in refusal(whole, 400)["detail"]


@pytest.mark.parametrize("sent", ["\x00", "a\x00b"])
def test_nothing_has_nul_in_its_name(operator: Client, sent: str) -> None:
    """The database has no such character, and cannot look for it."""
    fields = {"plan": sent, "currency": sent, "name": sent, "fee": sent, sent: sent}
    body = refusal(
        operator.post(f"{API}plan-versions/", fields, content_type=JSON), 400
    )
    assert {"plan", "currency", "name", "fee"} <= {
        fault["param"] for fault in body["errors"]
    }
    parts = {"model": "per_unit", "unit_price": sent}
    row = make_draft_version()
    body = refusal(
        operator.put(
            f"{API}plan-versions/{row.pk}/components/",
            {"components": [{"name": "a", "meter": "requests", "component": parts}]},
            content_type=JSON,
        ),
        400,
    )
    assert body["error"]["param"] == "components[0].component.unit_price"
