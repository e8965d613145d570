"""A webhook is believed only if our secret signed these bytes, for us, just now."""

import datetime as dt
import json
from collections.abc import Callable

import pytest
import stripe
from django.db import OperationalError
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from pytest_django import Settings

from metering.billing.providers.stripe.client import API_VERSION
from metering.billing.providers.stripe.client.webhooks import is_signed
from metering.inbox import services
from metering.inbox.models import WebhookEvent
from metering.inbox.views import BODY_BYTES_MAX
from tests.factories.inbox import NOW, Remembering
from tests.metering.inbox.webhooks import ADDRESS, SECRET, body_of, event, post, signed

State = WebhookEvent.State
SECOND = dt.timedelta(seconds=1)

pytestmark = pytest.mark.usefixtures("operator_db", "accounts")


@pytest.fixture
def accounts(settings: Settings) -> None:
    """Take webhooks of two accounts, and none of a third."""
    Remembering()
    settings.STRIPE_API_KEY = "rk_test_ours"
    settings.STRIPE_WEBHOOK_SECRETS = (SECRET, "whsec_next")
    settings.STRIPE_ACCOUNT_ID = "acct_ours"
    settings.STRIPE_ACCOUNTS = {
        "europe": {
            "api_key": "rk_live_europe",
            "webhook_secrets": ("whsec_europe",),
            "currencies": ("EUR",),
        },
        "silent": {"api_key": "rk_test_silent", "currencies": ("JPY",)},
    }


def kept() -> list[WebhookEvent]:
    return list(WebhookEvent.objects.order_by("pk"))


def test_what_is_ours_is_kept_and_acknowledged() -> None:
    answer = post(body_of())
    assert (answer.status_code, json.loads(answer.content)) == (200, {"received": True})
    [row] = kept()
    assert (row.account, row.event_id, row.type, row.object_id) == (
        "default",
        "evt_1",
        "invoice.paid",
        "in_1",
    )
    assert row.occurred_at == dt.datetime.fromtimestamp(1_795_000_000, tz=dt.UTC)
    assert (row.api_version, row.source, row.state) == (
        API_VERSION,
        "webhook",
        State.WAITING,
    )


def test_nothing_of_what_it_carries_is_kept() -> None:
    post(body_of(data={"object": {"id": "in_1", "customer_email": "ann@acme.example"}}))
    [row] = WebhookEvent.objects.values()
    assert "acme" not in repr(row)


def test_a_replayed_webhook_is_acknowledged_and_changes_nothing() -> None:
    payload = body_of()
    header = signed(payload)
    assert [post(payload, header).status_code for _ in range(5)] == [200] * 5
    assert len(kept()) == 1


@pytest.mark.parametrize("to", ["/webhooks/stripe", "/webhooks/stripe/default/"])
def test_the_default_account_has_three_addresses(to: str) -> None:
    assert post(body_of(), to=to).status_code == 200


def test_another_account_has_an_address_and_a_secret_of_its_own() -> None:
    payload = body_of(livemode=True)
    to = "/webhooks/stripe/europe/"
    assert post(payload, to=to).status_code == 400
    assert post(payload, signed(payload, secret="whsec_europe"), to=to).status_code == (
        200
    )
    [row] = kept()
    assert row.account == "europe"


@pytest.mark.parametrize("secret", [SECRET, "whsec_next"])
def test_while_a_secret_is_rotated_both_are_good(secret: str) -> None:
    payload = body_of()
    assert post(payload, signed(payload, secret=secret)).status_code == 200


def test_both_secrets_of_a_rotation_may_sign_at_once() -> None:
    payload = body_of()
    other = signed(payload, secret="whsec_of_stripes_other_endpoint")
    both = f"{other},{signed(payload).partition(',')[2]}"
    assert post(payload, both).status_code == 200


@pytest.mark.parametrize(
    "forge",
    [
        lambda payload: "",
        lambda payload: signed(payload, secret="whsec_guessed"),
        lambda payload: signed(payload, secret=""),
        lambda payload: signed(payload + b" "),
        lambda payload: signed(payload).replace("v1=", "v0="),
        lambda payload: signed(payload).partition(",")[0],
        lambda payload: signed(payload).partition(",")[2],
        lambda payload: "t=soon,v1=" + "0" * 64,
        lambda payload: signed(payload) + ",t=1",
        lambda payload: signed(payload)[:-1] + "é",
        lambda payload: signed(payload) + "," * 5_000,
        lambda payload: f"t={'9' * 5_000},v1=" + "0" * 64,
    ],
)
def test_a_forged_webhook_is_refused(forge: Callable[[bytes], str]) -> None:
    payload = body_of()
    assert post(payload, forge(payload)).status_code == 400
    assert kept() == []


@pytest.mark.parametrize("sign", [1, -1])
def test_a_stale_or_future_dated_webhook_is_refused(sign: int) -> None:
    """The SDK alone would take one that was signed for next year."""
    payload = body_of()
    for age in (310 * SECOND, dt.timedelta(days=1), dt.timedelta(days=365)):
        assert post(payload, signed(payload, age=sign * age)).status_code == 400
    assert kept() == []
    assert post(payload, signed(payload, age=sign * 280 * SECOND)).status_code == 200


def test_an_old_signature_with_a_new_time_beside_it_is_refused() -> None:
    """Two times would let the SDK verify the one and us believe the other."""
    payload = body_of()
    old = signed(payload, age=dt.timedelta(days=1))
    now = signed(payload).partition(",")[0]
    for header in (f"{now},{old}", f"{old},{now}", f"{old}, {now}"):
        assert post(payload, header).status_code == 400
    assert kept() == []


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_nobody_can_sign(
    settings: Settings, secrets: tuple[str, ...]
) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = secrets
    payload = body_of()
    answer = post(payload, signed(payload, secret=""))
    assert answer.status_code == (400 if secrets else 404)
    assert kept() == []


@pytest.mark.parametrize("account", ["silent", "nobody", "x" * 300, "a%00", "ä"])
def test_an_account_that_takes_none_has_no_address(account: str) -> None:
    assert post(body_of(), to=f"{ADDRESS}{account}/").status_code == 404


def test_without_a_key_there_is_no_address(settings: Settings) -> None:
    settings.STRIPE_API_KEY = ""
    assert post(body_of()).status_code == 404


@pytest.mark.parametrize("changes", [{"livemode": True}, {"account": "acct_others"}])
def test_of_another_mode_or_account_it_is_refused(changes: dict[str, object]) -> None:
    assert post(body_of(**changes)).status_code == 400
    assert kept() == []


def test_of_our_account_by_name_it_is_taken() -> None:
    assert post(body_of(account="acct_ours")).status_code == 200


def test_of_another_version_it_is_kept_and_parked() -> None:
    assert post(body_of(api_version="2020-08-27")).status_code == 200
    [row] = kept()
    assert row.state == State.PARKED
    assert "2020-08-27" in row.problem


def test_an_oversized_webhook_is_refused_unread() -> None:
    payload = body_of(filling="x" * BODY_BYTES_MAX)
    assert post(payload).status_code == 413
    assert kept() == []
    exact = body_of(filling="")
    payload = body_of(filling="x" * (BODY_BYTES_MAX - len(exact)))
    assert len(payload) == BODY_BYTES_MAX
    assert post(payload).status_code == 200


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b'"evt_1"',
        b"{}",
        b"{",
        b"\xff\xfe\x00",
        b'{"id": "\xc3\x28"}',
        b'{"id": "\\ud800"}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
        body_of(object="charge"),
        body_of(id=None),
        body_of(id=["evt_1"]),
        body_of(id="evt_1\0"),
        body_of(id="evt_" + "x" * 300),
        body_of(type="invoice.paid\0"),
        body_of(type="x" * 5_000),
        body_of(created=None),
        body_of(created=True),
        body_of(created=-1),
        body_of(created=10**30),
        body_of(created=1e300),
        body_of(created="yesterday"),
        body_of(created="2026-11-22T12:00:00"),
        body_of(livemode="false"),
        body_of(livemode=None),
        body_of(account=5),
        body_of(api_version=None),
        body_of(api_version={}),
    ],
)
def test_hostile_bytes_that_are_signed_are_refused_all_the_same(payload: bytes) -> None:
    assert post(payload).status_code == 400
    assert kept() == []


@pytest.mark.parametrize("data", [None, [], {}, {"object": None}, {"object": []}])
def test_an_event_of_no_object_is_kept_and_ignored(data: object) -> None:
    assert post(body_of(data=data)).status_code == 200
    assert kept()[0].state == State.IGNORED


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
    ],
)
def test_what_it_is_called_does_not_matter(content_type: str) -> None:
    assert post(body_of(), content_type=content_type).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_nothing_but_post_is_taken(method: str) -> None:
    assert Client().generic(method, ADDRESS).status_code == 405


def test_a_thin_event_names_its_object() -> None:
    thin = {
        "id": "evt_test_1",
        "object": "v2.core.event",
        "type": "v1.billing.meter.deactivated",
        "created": "2026-11-22T12:00:00.000Z",
        "livemode": False,
        "context": None,
        "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/..."},
    }
    assert post(json.dumps(thin).encode()).status_code == 200
    [row] = kept()
    assert (row.object_id, row.api_version) == ("mtr_1", "")


def test_without_the_database_nothing_is_acknowledged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object, **__: object) -> int:
        raise OperationalError("connection refused")

    monkeypatch.setattr(services, "take_in", away)
    answer = post(body_of())
    assert (answer.status_code, answer["retry-after"]) == (503, "10")


@given(payload=st.binary(max_size=300), header=st.text(max_size=200))
@how(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_bytes_and_no_header_make_it_raise(payload: bytes, header: str) -> None:
    assert not is_signed(payload, header, secrets=(SECRET,), now=NOW)
    assert not is_signed(payload, f"t=1,{header}", secrets=(SECRET, ""), now=NOW)


@given(payload=st.binary(max_size=300))
@how(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_bytes_that_are_signed_are_answered_and_never_crash(payload: bytes) -> None:
    assert post(payload).status_code == 400


def test_the_sdk_signs_as_these_tests_do() -> None:
    text = json.dumps(event())
    at = int(NOW.timestamp())
    theirs = stripe.WebhookSignature.generate_signature_header(text, SECRET, at)
    assert is_signed(text.encode(), theirs, secrets=(SECRET,), now=NOW)
