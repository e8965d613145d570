"""A write that is sent twice is done once, and answered twice alike."""

import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from kit.acting import Actor, ActorKind
from kit.drf.idempotency import KEPT_HOURS
from kit.orm.roles import OPERATOR, as_operator
from kit.sealing import SealBrokenError, seal, unseal
from tenants.idempotency import purge_answers
from tenants.models import ApiKey, Project, StoredAnswer
from tests.api.callers import Callers
from tests.concurrency import wait_until_blocked
from tests.factories.tenants import default_project, make_project, make_tenant

API = "/api/v1/"
KEY = "8a6f1d1e-key"


def post(client: Client, path: str, body: Any, key: str = KEY) -> Any:
    """Send a keyed write."""
    return client.post(
        API + path,
        body,
        content_type="application/json",
        headers={"Idempotency-Key": key},
    )


def tenant_body(slug: str = "acme") -> dict[str, str]:
    """Return a new tenant."""
    return {"slug": slug, "name": "Acme"}


def test_the_second_request_is_given_the_first_ones_answer(operator: Client) -> None:
    first = post(operator, "tenants/", tenant_body())
    again = post(operator, "tenants/", tenant_body())
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert "Idempotency-Replayed" not in first.headers
    assert again["Idempotency-Replayed"] == "true"
    assert again["Content-Type"] == first["Content-Type"]
    assert again["x-request-id"] != first["x-request-id"]
    assert len(operator.get(f"{API}tenants/?slug=acme").json()["data"]) == 1


def test_an_issued_key_is_issued_once_and_shown_again(operator: Client) -> None:
    body = {"project": make_project().pk, "name": "laptop"}
    first = post(operator, "keys/", body)
    again = post(operator, "keys/", body)
    assert again.json()["key"] == first.json()["key"]
    assert again["Cache-Control"] == "no-store"
    assert ApiKey.objects.filter(name="laptop").count() == 1


def test_what_is_kept_reveals_no_key_and_no_body(operator: Client) -> None:
    body = {"project": make_project().pk, "name": "laptop"}
    issued = post(operator, "keys/", body).json()["key"]
    row = StoredAnswer.objects.get(key=KEY)
    assert issued.encode() not in bytes(row.sealed)
    assert b"laptop" not in bytes(row.sealed)
    with pytest.raises(SealBrokenError):
        unseal(bytes(row.sealed), key=bytes(32), context=b"")


@pytest.mark.parametrize("change", ["body", "path", "method"])
def test_another_request_with_the_key_is_422(operator: Client, change: str) -> None:
    tenant = post(operator, "tenants/", tenant_body()).json()["id"]
    if change == "body":
        other = post(operator, "tenants/", tenant_body("other"))
    elif change == "path":
        other = post(operator, f"tenants/{tenant}/suspend/", tenant_body())
    else:
        other = operator.patch(
            f"{API}tenants/{tenant}/",
            tenant_body(),
            content_type="application/json",
            headers={"Idempotency-Key": KEY},
        )
    assert other.status_code == 422, other.content
    error = other.json()["error"]
    assert error["code"] == "idempotency_key_reused"
    assert error["param"] == "Idempotency-Key"


def test_what_was_refused_may_be_sent_again_with_the_key(operator: Client) -> None:
    refused = post(operator, "tenants/", {"slug": "acme"})
    assert refused.status_code == 400
    assert post(operator, "tenants/", tenant_body()).status_code == 201


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "caf\u00e9", "a\tb"])
def test_a_key_that_can_be_none_is_400(operator: Client, key: str) -> None:
    refused = post(operator, "tenants/", tenant_body(), key)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "Idempotency-Key"
    longest = post(operator, "tenants/", tenant_body(), "x" * 255)
    assert longest.status_code == 201


def test_a_change_may_be_keyed_too(operator: Client) -> None:
    tenant = make_tenant()
    address = f"{API}tenants/{tenant.pk}/"
    version = operator.get(address)["ETag"]
    headers = {"Idempotency-Key": KEY, "If-Match": version}
    answers = [
        operator.patch(
            address, {"name": "New"}, content_type="application/json", headers=headers
        )
        for _ in range(2)
    ]
    # Sent again it is the same change, though its version is gone by now.
    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0]["ETag"] == answers[1]["ETag"] != version


def test_callers_have_keys_of_their_own(caller: Callers) -> None:
    own, other = make_tenant(), make_tenant()
    answers = [
        post(caller(tenant=tenant), "keys/", {"project": project.pk, "name": "x"})
        for tenant in (own, other)
        for project in [default_project(tenant)]
    ]
    assert [each.status_code for each in answers] == [201, 201]
    assert answers[0].json()["key"] != answers[1].json()["key"]


def test_of_two_at_once_the_later_waits_and_repeats_the_answer(
    caller: Callers,
) -> None:
    tenant = make_tenant()
    client, body = (
        caller(tenant=tenant),
        {"tenant": tenant.pk, "slug": "a", "name": "A"},
    )
    answers = at_once(client, lambda: post(client, "projects/", body))
    assert [each.status_code for each in answers] == [201, 201], answers[1].content
    assert answers[0].content == answers[1].content
    replayed = sorted(each.get("Idempotency-Replayed", "") for each in answers)
    assert replayed == ["", "true"]
    with as_operator():
        assert Project.objects.filter(tenant=tenant, slug="a").count() == 1


def at_once(client: Client, send: Any) -> list[Any]:
    """Let two requests begin while the tenant's row keeps both from ending."""

    def sent() -> Any:
        try:
            return send()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        with as_operator(), connections[OPERATOR].cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE tenants_project IN SHARE MODE")
            running = [pool.submit(sent) for _ in range(2)]
            wait_until_blocked()
            cursor.execute("COMMIT")
        return [each.result(timeout=30) for each in running]


def age(hours: float) -> None:
    """Make the kept answer so old."""
    StoredAnswer.objects.update(created_at=timezone.now() - dt.timedelta(hours=hours))


def test_a_key_is_forgotten_after_a_day(operator: Client) -> None:
    post(operator, "tenants/", tenant_body())
    age(KEPT_HOURS - 0.1)
    assert post(operator, "tenants/", tenant_body("other")).status_code == 422
    age(KEPT_HOURS + 0.1)
    assert post(operator, "tenants/", tenant_body("other")).status_code == 201


def test_the_purge_forgets_what_is_older_than_a_day(operator: Client) -> None:
    post(operator, "tenants/", tenant_body())
    assert purge_answers(now=timezone.now()) == 0
    age(KEPT_HOURS + 0.1)
    assert purge_answers(now=timezone.now()) == 1
    assert purge_answers(now=timezone.now()) == 0


def test_a_kept_answer_laid_into_another_row_does_not_open() -> None:
    sealed = seal(b"text", key=bytes(32), context=b"one")
    assert unseal(sealed, key=bytes(32), context=b"one") == b"text"
    for wrong in (sealed[:-1], b"", sealed[:5] + b"x" + sealed[6:]):
        with pytest.raises(SealBrokenError):
            unseal(wrong, key=bytes(32), context=b"one")
    with pytest.raises(SealBrokenError):
        unseal(sealed, key=bytes(32), context=b"two")


def test_a_tenants_row_lies_under_its_policy(caller: Callers) -> None:
    tenant = make_tenant()
    body = {"project": default_project(tenant).pk, "name": "x"}
    assert post(caller(tenant=tenant), "keys/", body).status_code == 201
    with as_operator():
        row = StoredAnswer.objects.get()
    assert row.tenant_id == tenant.pk
    assert row.caller.startswith(Actor(ActorKind.TENANT_TOKEN).kind)
    assert json.dumps(body).encode() not in bytes(row.sealed)
