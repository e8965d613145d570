"""Bad keys on every route of `/v1`: one shape of refusal, one amount of work, no trace.

Keys are sent on raw sockets, so that nothing on the way puts them right.
"""

import logging
from collections.abc import Callable

import pytest

from inference.gateway.surfaces import SURFACES
from inference.routing.snapshot import KeyEntry
from kit import api_keys
from tests.inference.gateway.client import Answer, RawClient
from tests.inference.gateway.meter import NOW_US
from tests.inference.gateway.running import PEPPER, RunningGateway

ROUTES = {
    **{entry.path: "POST" for entry in SURFACES.values()},
    "/v1/messages/count_tokens": "POST",
    "/v1/models": "GET",
    "/v1/models/some-model": "GET",
}
NOW_S = NOW_US // 1_000_000
INVALID = "The API key is not valid: mistyped, disabled, revoked or expired."
# Marks what must turn up in no answer and no log line.
CANARY = "CanaryOfAKey"

Bad = Callable[[RunningGateway], str]


def _revoked(gateway: RunningGateway) -> str:
    key = gateway.issue_key(tenant_id=61)
    gateway.publish("api_key", api_keys.digest(key, PEPPER), None)
    return key


def _bent(gateway: RunningGateway) -> str:
    """Return a key that is known, with another checksum."""
    end = "0" if gateway.key[-1] != "0" else "1"
    return gateway.key[:-1] + end


BAD: dict[str, Bad] = {
    "unknown": lambda _: api_keys.generate(),
    "revoked or disabled": _revoked,
    "expired": lambda gateway: gateway.issue_key(tenant_id=61, expires_at=NOW_S - 1),
    "of no tenant": lambda g: g.issue_key(tenant_id=998, with_tenant=False),
    "bad checksum": _bent,
    "malformed": lambda _: f"tg_{CANARY}",
    "cut off": lambda gateway: gateway.key[:-1],
    "more behind": lambda gateway: f"{gateway.key}{CANARY}",
    "a tenant's token": lambda _: api_keys.generate(api_keys.TENANT_TOKEN_PREFIX),
    "an operator's token": lambda _: api_keys.generate(api_keys.OPERATOR_TOKEN_PREFIX),
    "another prefix": lambda gateway: "TG_" + gateway.key[3:],
    "SQL": lambda _: f"tg_{CANARY}' OR '1'='1'; DROP TABLE tenants_apikey; --",
    "SQL that sleeps": lambda _: f"'||pg_sleep(10)||'{CANARY}",
    "not ASCII": lambda _: "tg_" + "é" * 49,
    "digits of other scripts": lambda _: "tg_" + "٣" * 49,
    "two keys": lambda gateway: f"{gateway.key},{gateway.key}",
    "a path": lambda _: f"tg_../../{CANARY}",
    "a format": lambda _: f"tg_%s%n{{}}${{jndi:{CANARY}}}",
    "40 kB": lambda _: "tg_" + CANARY * 3_400,
}


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Give all that was logged, at whatever level.

    But what pytest alone hears: to the server's own access log nobody else listens.
    """
    caplog.set_level(logging.DEBUG)
    return lambda: "\n".join(
        f"{record.name} {record.msg} {record.args} {record.exc_text}"
        for record in caplog.records
        if record.name != "uvicorn.access"
    )


def ask(gateway: RunningGateway, path: str, *headers: bytes) -> Answer:
    """Send a request with these header lines and read the answer."""
    method = ROUTES[path]
    body = b"" if method == "GET" else b"{}"
    lines = [
        f"{method} {path} HTTP/1.1".encode(),
        b"host: gateway",
        b"content-length: %d" % len(body),
        *headers,
    ]
    with RawClient(gateway.port, "") as raw:
        raw.sock.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        return raw.read()


def bearer(key: str) -> bytes:
    """Return the header line of a key."""
    return b"authorization: Bearer " + key.encode()


def code_of(answer: Answer) -> str | None:
    """Return the error's code; the shape must be the one that all errors have."""
    assert answer.header("content-type") == "application/json"
    assert answer.header("x-request-id")
    error = answer.json["error"]
    if "type" in answer.json:
        # Anthropic's has no code, but a type for each of these.
        assert answer.json.keys() == {"type", "error", "request_id"}
        assert error.keys() == {"type", "message"}
        kinds = {"authentication_error": "invalid_api_key"}
        return kinds.get(error["type"])
    assert answer.json.keys() == {"error"}
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    code: str | None = error["code"]
    return code


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("why", BAD)
def test_a_bad_key_gets_the_one_answer_and_leaves_no_trace(
    gateway: RunningGateway, said: Callable[[], str], path: str, why: str
) -> None:
    key = BAD[why](gateway)
    refused = ask(gateway, path, bearer(key))
    assert (refused.status, code_of(refused)) == (401, "invalid_api_key")
    assert refused.json["error"]["message"] == INVALID
    assert refused.header("www-authenticate") == "Bearer"
    assert not gateway.meter.admissions
    for secret in {key, key[3:], CANARY}:
        assert secret not in said()
        assert secret.encode() not in refused.body
    assert "Traceback" not in said()
    assert "gateway_bug" not in said()


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ([], 401, "invalid_api_key"),
        ([b"authorization:"], 401, "invalid_api_key"),
        ([b"authorization: Bearer"], 401, "invalid_api_key"),
        ([b"authorization: Basic dTpw"], 401, "invalid_api_key"),
        ([b"authorization: Token %(key)s"], 401, "invalid_api_key"),
        ([b"authorization: %(key)s"], 401, "invalid_api_key"),
        ([b"x-api-key: Bearer %(key)s"], 401, "invalid_api_key"),
        ([b"x-api-key: %(key)s", b"authorization: x"], 401, "invalid_api_key"),
        ([b"x-api-key: %(key)s"] * 2, 400, None),
        ([b"api-key: %(key)s"], 401, "invalid_api_key"),
        ([b"cookie: authorization=%(key)s"], 401, "invalid_api_key"),
        ([b"proxy-authorization: Bearer %(key)s"], 401, "invalid_api_key"),
        ([b"authorization: Bearer %(key)s"] * 2, 400, None),
        ([b"authorization: Bearer %(key)s", b"Authorization: x"], 400, None),
        # That is no header that HTTP knows: the connection ends as well.
        ([b"authorization: Bearer %(key)s\0"], 400, None),
    ],
)
def test_a_key_that_is_sent_in_another_way_opens_nothing(
    gateway: RunningGateway,
    said: Callable[[], str],
    path: str,
    headers: list[bytes],
    status: int,
    code: str | None,
) -> None:
    key = gateway.key.encode()
    refused = ask(gateway, path, *(line.replace(b"%(key)s", key) for line in headers))
    assert (refused.status, code_of(refused)) == (status, code)
    assert key not in refused.body
    assert gateway.key not in said()
    assert "Traceback" not in said()


@pytest.mark.parametrize("path", ROUTES)
def test_a_key_of_100_kb_is_refused_or_not_even_read(
    gateway: RunningGateway, said: Callable[[], str], path: str
) -> None:
    """Whether all of it comes before the bound of a head is noticed is the kernel's."""
    key = "tg_" + CANARY * 8_400
    head = f"{ROUTES[path]} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    with RawClient(gateway.port, "") as raw:
        try:
            raw.sock.sendall(head.encode() + bearer(key) + b"\r\n\r\n")
        except ConnectionError:
            return
        assert raw.read_to_end().status in {0, 401}
    assert CANARY not in said()
    assert "Traceback" not in said()


@pytest.mark.parametrize("place", ["?key={}", "?api_key={}", "/{}"])
def test_a_key_in_the_address_opens_nothing_and_is_not_logged(
    gateway: RunningGateway, said: Callable[[], str], place: str
) -> None:
    with RawClient(gateway.port, "") as raw:
        target = "/v1/models" + place.format(gateway.key)
        raw.sock.sendall(f"GET {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        assert raw.read().status == 401
    assert gateway.key not in said()


class _CountingKeys(dict[str, KeyEntry]):
    """Known keys, and how often any was looked up."""

    lookups = 0

    def get(self, key: str, default: None = None) -> KeyEntry | None:  # type: ignore[override]
        self.lookups += 1
        return super().get(key, default)


@pytest.mark.parametrize("why", ["unknown", "revoked or disabled", "expired"])
def test_every_invalid_key_costs_one_hmac_and_one_lookup(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """So the time it takes tells no revoked key from a made-up one."""
    key = BAD[why](gateway)
    digests: list[str] = []
    digest = api_keys.digest

    def counted(key: str, secret: bytes) -> str:
        digests.append(digest(key, secret))
        return digests[-1]

    known = _CountingKeys(gateway.snapshot.keys)
    monkeypatch.setattr(gateway.snapshot, "keys", known)
    monkeypatch.setattr(api_keys, "digest", counted)
    refused = ask(gateway, "/v1/models", bearer(key))
    assert refused.json["error"]["message"] == INVALID
    assert (len(digests), known.lookups) == (1, 1)


@pytest.mark.parametrize("why", ["malformed", "bad checksum", "a tenant's token"])
def test_what_is_no_key_is_not_looked_up(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    key = BAD[why](gateway)
    known = _CountingKeys(gateway.snapshot.keys)
    monkeypatch.setattr(gateway.snapshot, "keys", known)
    assert ask(gateway, "/v1/models", bearer(key)).status == 401
    assert known.lookups == 0
