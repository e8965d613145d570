"""Proofs that are made or fetched: signatures, and tokens that live for a while.

Amazon's own library checks a signature from the other side: it signs what came over the
wire, as the service would. Tokens come from a server of the tests' own.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import orjson
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from structlog.testing import capture_logs

from inference.engines.auth import aws_signing
from inference.engines.auth.google_account import GoogleToken
from inference.engines.auth.oauth import ClientCredentials
from inference.engines.auth.sigv4 import SigV4
from inference.engines.auth.tokens import Token, TokenCache
from inference.engines.backend import EngineCall
from inference.engines.client import EnginePool
from inference.engines.origin import EngineUnreachableError, Origin, Timeouts
from tests.inference.engines.scripted import (
    EngineSide,
    Request,
    ScriptedEngine,
    scripted_engine,
)
from tests.inference.engines.wire import whole

SECRET = "a secret/of+some length"
ACCESS = "AKIDEXAMPLE"
AWS = {"region": "us-east-1", "service": "bedrock"}
CALL = EngineCall(
    "/model/anthropic.claude-3-5%3A0/converse",
    {"content-type": "application/json"},
    b'{"messages":[]}',
)
GOOGLE = Origin.parse("https://eu-aiplatform.googleapis.com/v1")


def signature_of(request: Request, *, token: str) -> str:
    """Sign what came over the wire once more, with the moment that it names."""
    signed = AWSRequest(
        method=request.method,
        url=f"http://{request.header('host')}{request.target}",
        data=request.body,
        headers={"content-type": request.header("content-type")},
    )
    if token:
        signed.headers["X-Amz-Security-Token"] = token
    signed.headers["X-Amz-Date"] = request.header("x-amz-date")
    signed.context["timestamp"] = request.header("x-amz-date")
    signer = SigV4Auth(
        Credentials(ACCESS, SECRET, token or None), "bedrock", AWS["region"]
    )
    canonical = signer.canonical_request(signed)
    return str(signer.signature(signer.string_to_sign(signed, canonical), signed))


@pytest.mark.parametrize("token", ["", "session/token:with+colons"])
async def test_a_call_is_signed_as_it_goes_over_the_wire(token: str) -> None:
    def answer(side: EngineSide) -> None:
        while side.request():
            side.send(whole({}))

    pool = EnginePool(timeouts=Timeouts(connect=2.0, first_byte=5.0, idle=5.0))
    with scripted_engine(answer) as engine:
        origin = Origin.parse(engine.url)
        credential = f"{ACCESS}:{SECRET}" + (f":{token}" if token else "")
        proof = await SigV4().headers(origin, CALL, credential, AWS)
        exchange = await pool.request(
            origin,
            method="POST",
            path=CALL.path,
            headers={**CALL.headers, **proof},
            body=CALL.body,
        )
        await exchange.head()
        exchange.close()
    await pool.close()
    [request] = engine.requests
    shown = request.header("authorization") or ""
    assert f"Credential={ACCESS}/" in shown
    assert "/us-east-1/bedrock/aws4_request" in shown
    assert "host" in shown.partition("SignedHeaders=")[2]
    assert shown.endswith(signature_of(request, token=token))
    assert request.header("x-amz-security-token") == (token or None)
    assert SECRET not in str(request.headers)


def test_an_encoded_path_is_encoded_again_in_what_is_signed() -> None:
    """As AWS publishes it: a colon goes as %3A, and is signed as %253A."""
    signer = SigV4Auth(Credentials(ACCESS, SECRET), "bedrock", "us-east-1")
    signed = AWSRequest("POST", f"https://h{CALL.path}", data=b"")
    signed.context["timestamp"] = "20261122T000000Z"
    assert "/model/anthropic.claude-3-5%253A0/converse" in signer.canonical_request(
        signed
    )


def test_the_published_key_derivation_is_reproduced() -> None:
    """AWS's own example of a signing key, as its reference prints it."""
    secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
    signer = SigV4Auth(Credentials("x", secret), "iam", "us-east-1")
    request = AWSRequest("GET", "https://iam.amazonaws.com/")
    request.context["timestamp"] = "20150830T123600Z"
    told = (
        "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n"
        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    )
    assert signer.signature(told, request) == (
        "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


def test_the_scheme_s_own_port_is_not_signed() -> None:
    keys = aws_signing.Keys(ACCESS, SECRET, None)
    for url, host in (("https://h", "h"), ("https://h:8443", "h:8443")):
        signed = aws_signing.sign(Origin.parse(url), CALL, keys, **AWS)
        assert signed["host"] == host


@pytest.mark.parametrize("credential", ["nothing", ":", "key:", ":secret"])
async def test_a_credential_out_of_form_is_not_shown(credential: str) -> None:
    with pytest.raises(EngineUnreachableError) as raised:
        await SigV4().headers(Origin.parse("http://h"), CALL, credential, AWS)
    assert credential not in str(raised.value) or credential == ":"


async def test_without_a_credential_the_host_s_own_keys_sign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOFTHEHOST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    proof = await SigV4().headers(Origin.parse("http://h"), CALL, "", AWS)
    assert "Credential=AKIDOFTHEHOST/" in proof["authorization"]


async def test_a_host_without_keys_of_its_own_is_an_engine_out_of_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(EngineUnreachableError):
        await SigV4().headers(Origin.parse("http://h"), CALL, "", AWS)


# Tokens ------------------------------------------------------------------------------


@dataclass(slots=True)
class Clock:
    """A clock that a test sets."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Giver:
    """Gives numbered tokens, or fails."""

    lives_s: float = 1000.0
    is_broken: bool = False
    given: int = 0
    go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    def __call__(self) -> Token:
        assert self.go_on.wait(10)
        if self.is_broken:
            raise RuntimeError(f"refused {SECRET}")
        self.given += 1
        return Token(f"token-{self.given}", self.lives_s)


async def settled() -> None:
    """Let running fetches end."""
    names = {"engine token"}
    tasks = [task for task in asyncio.all_tasks() if task.get_name() in names]
    await asyncio.gather(*tasks)


async def test_many_that_need_a_token_at_once_fetch_one() -> None:
    giver, cache = Giver(), TokenCache(now=Clock())
    giver.go_on.clear()
    asking = [asyncio.create_task(cache.token("k", giver)) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()
    giver.go_on.set()
    tokens = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(tokens[0], asyncio.CancelledError)
    assert set(tokens[1:]) == {"token-1"}
    assert giver.given == 1


async def test_a_token_is_renewed_ahead_of_its_end_while_nobody_waits() -> None:
    giver, clock = Giver(lives_s=3600.0), Clock()
    cache = TokenCache(now=clock)
    assert await cache.token("k", giver) == "token-1"
    clock.now += 3299
    assert await cache.token("k", giver) == "token-1"
    assert giver.given == 1
    clock.now += 2
    giver.go_on.clear()
    assert await cache.token("k", giver) == "token-1"
    giver.go_on.set()
    await settled()
    assert await cache.token("k", giver) == "token-2"


async def test_a_token_that_ended_is_not_shown_whoever_fails() -> None:
    giver, clock = Giver(lives_s=100.0), Clock()
    cache = TokenCache(now=clock)
    assert await cache.token("k", giver) == "token-1"
    giver.is_broken = True
    clock.now += 85
    assert await cache.token("k", giver) == "token-1"
    await settled()
    clock.now += 6
    with capture_logs() as logs, pytest.raises(EngineUnreachableError) as raised:
        await cache.token("k", giver)
    assert SECRET not in f"{logs}{raised.value!r}"
    assert logs[0]["event"] == "engine_token_not_given"
    giver.is_broken = False
    assert await cache.token("k", giver) == "token-2"


@contextlib.contextmanager
def token_server(answers: list[bytes]) -> Iterator[ScriptedEngine]:
    """Run a server that gives one answer after another."""

    def give(side: EngineSide) -> None:
        while side.request():
            side.send(answers.pop(0))

    with scripted_engine(give) as server:
        yield server


def given(token: str, **more: object) -> bytes:
    """Return a token as a server gives it."""
    return whole({"access_token": token, "token_type": "Bearer", **more}, close=True)


async def test_a_secret_buys_a_token_for_the_scope() -> None:
    engine = Origin.parse("https://resource.openai.azure.com/openai/v1")
    with token_server([given("t-1", expires_in="3599")]) as server:
        options = {
            "token_url": f"{server.url}/tenant/oauth2/v2.0/token",
            "client_id": "client",
            "scope": "https://cognitiveservices.azure.com/.default",
        }
        scheme = ClientCredentials()
        for _ in range(2):
            proof = await scheme.headers(engine, CALL, SECRET, options)
            assert proof == {"authorization": "Bearer t-1"}
    [request] = server.requests
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["client"],
        "client_secret": [SECRET],
        "scope": [options["scope"]],
    }


@pytest.mark.parametrize(
    "answer",
    [
        whole({"error": "invalid_client", "error_description": SECRET}, status=401),
        whole({"access_token": "with\r\nlines"}),
        whole({"access_token": 7}),
        whole([]),
        whole(b"<html>"),
        b"HTTP/1.1 302 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        b"garbage\r\n\r\n",
    ],
)
async def test_who_gives_no_token_leaves_the_engine_out_of_reach(answer: bytes) -> None:
    with token_server([answer]) as server, capture_logs() as logs:
        options = {"token_url": server.url, "client_id": "c", "scope": "s"}
        with pytest.raises(EngineUnreachableError) as raised:
            await ClientCredentials().headers(GOOGLE, CALL, SECRET, options)
    assert SECRET not in f"{logs}{raised.value!r}"


@pytest.fixture(scope="module")
def account_key() -> str:
    """Give a service account's private key."""
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


async def test_a_service_account_buys_a_token_of_google_s(account_key: str) -> None:
    with token_server([given("ya29.token", expires_in=3599)]) as server:
        account = {
            "type": "service_account",
            "client_email": "gateway@project.iam.gserviceaccount.com",
            "private_key": account_key,
            "token_uri": f"{server.url}/token",
        }
        scheme, credential = GoogleToken(), orjson.dumps(account).decode()
        for _ in range(2):
            proof = await scheme.headers(GOOGLE, CALL, credential, {})
            assert proof == {"authorization": "Bearer ya29.token"}
    [request] = server.requests
    assert request.body.startswith(b"assertion=")
    assert account_key not in request.body.decode()


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example",
        "https://googleapis.com.evil.example",
        "http://x.googleapis.com",
    ],
)
async def test_the_host_s_own_token_goes_to_nobody_but_google(url: str) -> None:
    with pytest.raises(EngineUnreachableError, match="Google only"):
        await GoogleToken().headers(Origin.parse(url), CALL, "", {})


async def test_a_service_account_that_is_none_is_an_engine_out_of_reach() -> None:
    with pytest.raises(EngineUnreachableError):
        await GoogleToken().headers(GOOGLE, CALL, "not json", {})
