"""Who is let in: every wrong key gets the same answer, before anything else is read."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from kit import api_keys
from tests.inference.gateway.meter import NOW_US
from tests.inference.gateway.running import PEPPER, RunningGateway

Call = Callable[..., httpx.Response]
NOW_S = NOW_US // 1_000_000


@pytest.fixture(scope="module")
def stranger() -> Iterator[httpx.Client]:
    """Give a client that sends no key of its own."""
    with httpx.Client(timeout=10) as client:
        yield client


@pytest.fixture
def call(gateway: RunningGateway, stranger: httpx.Client) -> Call:
    """List models with these authorization headers."""

    def listed(*values: str) -> httpx.Response:
        headers = [(b"authorization", value.encode()) for value in values]
        return stranger.get(f"{gateway.url}/v1/models", headers=headers)

    return listed


def _mistyped(key: str) -> str:
    last = "0" if key[-1] != "0" else "1"
    return key[:-1] + last


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_known_key_is_let_in(
    gateway: RunningGateway, call: Call, scheme: str
) -> None:
    assert call(f"{scheme} {gateway.key}").status_code == 200
    assert call(f"{scheme}   {gateway.key}").status_code == 200


@pytest.mark.parametrize("value", [None, "", "Bearer", "Basic dTpw", "tg_x"])
def test_without_a_key_the_answer_says_how_to_send_one(
    gateway: RunningGateway, call: Call, value: str | None
) -> None:
    refused = call(*([] if value is None else [value]))
    assert refused.status_code == 401
    assert "Authorization: Bearer" in refused.json()["error"]["message"]
    assert refused.headers["www-authenticate"] == "Bearer"


def test_all_invalid_keys_get_one_answer(gateway: RunningGateway, call: Call) -> None:
    revoked = gateway.issue_key(tenant_id=1)
    gateway.publish("api_key", api_keys.digest(revoked, PEPPER), None)
    bent = gateway.key[:-1] + "!"
    gateway.publish(
        "api_key",
        api_keys.digest(bent, PEPPER),
        {"api_key_id": 1, "project_id": 1, "tenant_id": 1, "expires_at": None},
    )
    keys = {
        "of another shape, yet known": bent,
        "malformed": "tg_short",
        "not ours": "sk-" + "a" * 48,
        "mistyped": _mistyped(gateway.key),
        "unknown": api_keys.generate(),
        "revoked": revoked,
        "expired": gateway.issue_key(tenant_id=1, expires_at=NOW_S - 1),
        "expiring now": gateway.issue_key(tenant_id=1, expires_at=NOW_S),
        "of a tenant that is not there": gateway.issue_key(
            tenant_id=999, with_tenant=False
        ),
        "in other letters": "tg_" + "é" * 49,
    }
    answers = {why: call(f"Bearer {key}") for why, key in keys.items()}
    assert {answer.status_code for answer in answers.values()} == {401}
    assert len({answer.text for answer in answers.values()}) == 1
    error = answers["unknown"].json()["error"]
    assert (error["type"], error["code"]) == (
        "invalid_request_error",
        "invalid_api_key",
    )


def test_a_key_works_until_it_expires(gateway: RunningGateway, call: Call) -> None:
    key = gateway.issue_key(tenant_id=1, expires_at=NOW_S + 1)
    assert call(f"Bearer {key}").status_code == 200


def test_a_checksum_that_holds_by_chance_opens_nothing(
    gateway: RunningGateway, call: Call
) -> None:
    for _ in range(50):
        assert call(f"Bearer {api_keys.generate()}").status_code == 401


def test_a_suspended_tenant_is_told_so(gateway: RunningGateway, call: Call) -> None:
    key = gateway.issue_key(tenant_id=50, active=False)
    refused = call(f"Bearer {key}")
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "tenant_suspended"
    gateway.issue_key(tenant_id=50)
    assert call(f"Bearer {key}").status_code == 200


def test_two_authorization_headers_are_refused(
    gateway: RunningGateway, call: Call
) -> None:
    value = f"Bearer {gateway.key}"
    assert call(value, value).status_code == 400


def test_nothing_is_taken_before_keys_and_prices_were_read(
    gateway: RunningGateway,
    call: Call,
) -> None:
    gateway.readiness["database"] = False
    try:
        refused = call(f"Bearer {gateway.key}")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    finally:
        gateway.readiness["database"] = True


def test_a_body_of_a_stranger_is_not_read(
    gateway: RunningGateway, stranger: httpx.Client
) -> None:
    refused = stranger.post(f"{gateway.url}/v1/chat/completions", content=b"{no JSON")
    assert refused.status_code == 401
    assert not gateway.meter.admissions
