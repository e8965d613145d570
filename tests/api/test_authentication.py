"""Wrong tokens are refused alike, whatever is wrong; right ones only where they may."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from kit import api_keys
from kit.orm.roles import OPERATOR, as_operator
from tenants.models import ManagementToken, Member
from tests.api.callers import bearing
from tests.factories.tenants import make_member, make_tenant, make_token

API = "/api/v1/"
ME = f"{API}me/"
MESSAGE = (
    "The token is not valid: mistyped, revoked, expired, or not for use from this"
    " address."
)
JSON: Any = {"content_type": "application/json"}
NOW = timezone.now()
PAST = NOW - dt.timedelta(seconds=5)


def sent(authorization: str, **headers: str) -> Any:
    """Ask who one is."""
    return Client().get(ME, headers={"Authorization": authorization, **headers})


def assert_refused(answer: Any) -> None:
    """Hold a 401 against the one shape."""
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["error"] == {
        "message": MESSAGE,
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_token",
    }
    assert body["status"] == 401


MALFORMED = {
    "nothing": "Bearer ",
    "a word": "Bearer wrong",
    "a NUL": "Bearer \x00",
    "latin": "bearer \u00e9\u00ff",
    "sql": "Bearer ' OR '1'='1'; DROP TABLE tenants_managementtoken; --",
    "100 kB": "Bearer " + "x" * 100_000,
    "two": "Bearer one, Bearer two",
    "no such": f"Bearer {api_keys.generate(api_keys.TENANT_TOKEN_PREFIX)}",
    "an API key": f"Bearer {api_keys.generate()}",
    "a wrong checksum": f"Bearer {api_keys.generate('tgo_')[:-1]}!",
}


@pytest.mark.usefixtures("operator_db")
@pytest.mark.parametrize("authorization", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_token_is_refused_as_any_wrong_one(authorization: str) -> None:
    assert_refused(sent(authorization))


@pytest.mark.usefixtures("operator_db")
@pytest.mark.parametrize("authorization", ["", "Basic eDp5", "Bearer", "tgo_x"])
def test_another_scheme_is_told_which_to_use(authorization: str) -> None:
    answer = sent(authorization)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert "Bearer" in answer.json()["detail"] or answer.json()["detail"] == MESSAGE


@pytest.mark.usefixtures("operator_db")
def test_tokens_that_were_right_are_refused_alike() -> None:
    revoked, expired, removed = make_token(), make_token(expires_at=PAST), make_member()
    of_removed = make_token(member=removed)
    ManagementToken.objects.filter(pk=revoked.row.pk).update(revoked_at=PAST)
    Member.objects.filter(pk=removed.pk).update(removed_at=PAST)
    for each in (revoked, expired, of_removed):
        assert_refused(sent(f"Bearer {each.token}"))


@pytest.mark.usefixtures("operator_db")
def test_every_kind_of_wrong_token_costs_the_same_queries() -> None:
    sent("Bearer warm")
    counts = set()
    for authorization in MALFORMED.values():
        with CaptureQueriesContext(connections[OPERATOR]) as made:
            sent(authorization)
        counts.add(len(made))
    assert counts == {1}
    with CaptureQueriesContext(connection) as made_as_app:
        sent("Bearer wrong")
    assert len(made_as_app) == 0


@pytest.mark.usefixtures("operator_db")
@pytest.mark.parametrize(
    ("networks", "address", "opens"),
    [
        ([], "192.0.2.7", True),
        (["192.0.2.0/24"], "192.0.2.7", True),
        (["192.0.2.0/24"], "::ffff:192.0.2.7", True),
        (["192.0.2.0/24"], "192.0.3.7", False),
        (["192.0.2.0/24", "2001:db8::/32"], "2001:db8::1", True),
        (["2001:db8::/32"], "192.0.2.7", False),
        (["0.0.0.0/0"], "unknown", False),
        # What stands left of the last one the client may have made up.
        (["192.0.2.0/24"], "192.0.2.7, 198.51.100.1", False),
    ],
)
def test_a_token_opens_from_its_networks_alone(
    networks: list[str], address: str, opens: bool
) -> None:
    made = make_token(allowed_networks=networks)
    answer = sent(f"Bearer {made.token}", **{"X-Forwarded-For": address})
    if opens:
        assert answer.status_code == 200
    else:
        assert_refused(answer)


@pytest.mark.usefixtures("operator_db")
def test_use_is_noted_to_the_minute_and_not_more_often() -> None:
    made = make_token()
    assert bearing(made.token).get(ME).status_code == 200
    made.row.refresh_from_db()
    first = made.row.last_used_at
    assert first is not None
    assert (first.second, first.microsecond) == (0, 0)
    assert abs(timezone.now() - first) < dt.timedelta(minutes=2)
    ahead = first + dt.timedelta(hours=1)
    ManagementToken.objects.filter(pk=made.row.pk).update(last_used_at=ahead)
    assert bearing(made.token).get(ME).status_code == 200
    made.row.refresh_from_db()
    assert made.row.last_used_at == ahead


@pytest.mark.usefixtures("fresh_database")
def test_a_use_waits_for_nobody_who_changes_the_token() -> None:
    made = make_token(tenant=make_tenant())
    other = connections.create_connection(OPERATOR)
    other.settings_dict = connections.settings[OPERATOR]
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT FROM tenants_managementtoken FOR UPDATE")
            with connections[OPERATOR].cursor() as mine:
                mine.execute("SET lock_timeout = '2s'")
            assert bearing(made.token).get(ME).status_code == 200
            cursor.execute("COMMIT")
    finally:
        other.close()
    with as_operator():
        made.row.refresh_from_db()
    assert made.row.last_used_at is None
    assert bearing(made.token).get(ME).status_code == 200
    with as_operator():
        made.row.refresh_from_db()
    assert made.row.last_used_at is not None


@pytest.mark.usefixtures("operator_db")
def test_an_address_that_sends_wrong_tokens_has_to_wait(
    settings: Settings,
) -> None:
    settings.API_FAILED_AUTH_PER_MINUTE = 3
    here = {"X-Forwarded-For": "198.51.100.77"}
    for _ in range(3):
        assert_refused(sent("Bearer wrong", **here))
    answer = sent("Bearer wrong", **here)
    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= 60
    assert answer.json()["error"]["type"] == "rate_limit_error"
    right = bearing(make_token().token)
    assert right.get(ME, headers=here).status_code == 200
    elsewhere = sent("Bearer wrong", **{"X-Forwarded-For": "198.51.100.78"})
    assert elsewhere.status_code == 401


@pytest.mark.usefixtures("operator_db")
def test_a_caller_that_writes_too_often_has_to_wait(
    settings: Settings,
) -> None:
    settings.API_WRITES_PER_MINUTE = 2
    client, other = bearing(make_token().token), bearing(make_token().token)
    answers = [client.post(f"{API}tenants/", **JSON) for _ in range(3)]
    assert [each.status_code for each in answers] == [400, 400, 429]
    assert "at most 2" in answers[2].json()["detail"]
    assert client.get(ME).status_code == 200
    assert other.post(f"{API}tenants/", **JSON).status_code == 400
