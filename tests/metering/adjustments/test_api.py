"""Adjustments over HTTP: operators write, tenants read their own and nothing else."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from kit.orm.roles import as_operator
from metering.adjustments.models import Adjustment
from metering.usage.corrections import Request
from tenants.models import Tenant
from tests.api.callers import Callers
from tests.factories.tenants import make_key, make_project, make_tenant
from tests.factories.usage import COUNTS
from tests.metering.adjustments.scene import a_use, charged, requested

PATH = "/api/v1/usage/adjustments/"
JSON = "application/json"


@pytest.fixture
def operator(caller: Callers) -> Client:
    """Provide an operator, on a committed database."""
    return caller()


def used(tenant: Tenant | None = None, project: Any = None) -> Request:
    """Commit a request, of a project if given."""
    use = a_use(tenant=tenant)
    if project is not None:
        key = make_key(project=project).row
        use = replace(use, project_id=project.pk, api_key_id=key.pk)
    with as_operator():
        return requested(use)[0]


def post(client: Client, request: Request, path: str = PATH, **changes: Any) -> Any:
    body = {
        "tenant": request.tenant_id,
        "request_id": str(request.request_id),
        "kind": "void",
    }
    if path == PATH:
        body |= {"reason": "ours", "reference": "ticket"}
    return client.post(path, body | changes, content_type=JSON)


def ids(client: Client, query: str = "") -> list[int]:
    answer = client.get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.content
    return [each["id"] for each in answer.json()["data"]]


def test_preview_then_void_then_what_stands(operator: Client) -> None:
    request = used()
    with as_operator():
        charge = charged(request)
    preview = post(operator, request, f"{PATH}preview/").json()
    assert preview["difference_picos"] == str(-charge)
    assert preview["before"]["output_tokens"] == COUNTS.output_tokens
    assert ids(operator) == []

    made = post(operator, request)

    assert made.status_code == 201, made.content
    shown = operator.get(f"{PATH}{made.json()['id']}/").json()
    assert shown["net"]["charge_picos"] == "0"
    assert shown["charge_before_picos"] == str(charge)
    with as_operator():
        row = Adjustment.objects.get()
    assert row.actor_kind == "operator_token"


def test_correction_says_what_is_right(operator: Client) -> None:
    request = used()
    tokens = {"input_tokens": 1, "cached_input_tokens": 2, "output_tokens": 3}
    made = post(operator, request, kind="correct", tokens=tokens)
    assert made.status_code == 201, made.content
    assert made.json()["after"] == tokens | {"reasoning_tokens": 0}


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"kind": "correct"}, 400, "tokens"),
        ({"kind": "rerate"}, 400, "kind"),
        ({"tokens": {"input_tokens": 1}}, 400, "tokens.cached_input_tokens"),
        ({"reason": ""}, 400, "reason"),
        ({"request_id": str(uuid.uuid4())}, 404, None),
    ],
)
def test_what_makes_no_sense_is_refused(
    operator: Client, changes: dict[str, Any], status: int, param: str | None
) -> None:
    answer = post(operator, used(), **changes)
    assert answer.status_code == status, answer.content
    assert (answer.json()["error"]["param"] or "").startswith(param or "")
    assert ids(operator) == []


def test_sent_twice_is_done_once(operator: Client) -> None:
    request = used()
    first, second = post(operator, request), post(operator, request)
    assert first.json()["id"] == second.json()["id"]
    assert post(operator, request, reference="other").status_code == 409


def test_tenants_read_their_own_and_write_none(
    caller: Callers,
    operator: Client,
) -> None:
    mine, theirs = make_tenant(), make_tenant()
    own = post(operator, used(mine)).json()["id"]
    other = post(operator, used(theirs)).json()["id"]
    client = caller(tenant=mine)

    assert ids(client) == [own]
    assert client.get(f"{PATH}{own}/").json()["reason"] == "ours"
    assert client.get(f"{PATH}{other}/").status_code == 404
    assert post(client, used(mine)).status_code == 403
    assert client.get("/api/v1/usage/reratings/").status_code == 403
    assert ids(operator, f"tenant={theirs.slug}&kind=void") == [other]


def test_members_kept_to_projects_read_those_of_theirs(
    caller: Callers,
    operator: Client,
) -> None:
    tenant = make_tenant()
    inside, outside = make_project(tenant=tenant), make_project(tenant=tenant)
    seen = post(operator, used(tenant, inside)).json()["id"]
    unseen = post(operator, used(tenant, outside), reference="two").json()["id"]
    client = caller(role="developer", tenant=tenant, projects=[inside])
    assert ids(client) == [seen]
    assert client.get(f"{PATH}{unseen}/").status_code == 404
