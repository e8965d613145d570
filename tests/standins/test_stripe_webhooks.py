"""Webhooks of the stand-in: signed as Stripe signs, retried, and in any disorder."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.hooks.deliverer import RETRIES_LIVE_S, RETRIES_TEST_S
from tests.standins.webhook_receiver import Received, Receiver, receiving

SECRET = "whsec_first"


@pytest.fixture
def standin() -> Iterator[StripeStandIn]:
    with StripeStandIn() as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def client(standin: StripeStandIn) -> stripe.StripeClient:
    return stripe.StripeClient(
        "sk_test_any", base_addresses={"api": standin.url}, max_network_retries=0
    )


def _emit(standin: StripeStandIn, kind: str = "invoice.paid", **fields: Any) -> str:
    event = standin.engine.account.emit(kind, {"object": "thing", **fields})
    return str(event["id"])


def _sent(receiver: Receiver) -> list[str]:
    return [json.loads(row.body)["id"] for row in receiver.received]


def _event(
    client: stripe.StripeClient, row: Received, secret: str = SECRET
) -> stripe.Event:
    header = row.headers["stripe-signature"]
    return client.construct_event(row.body, header, secret)


def test_an_event_is_sent_signed_and_counted(
    standin: StripeStandIn, receiver: Receiver, client: stripe.StripeClient
) -> None:
    standin.add_webhook(receiver.url(), secrets=[SECRET])
    customer = client.v1.customers.create({"name": "Acme"})
    standin.hooks.settle()
    event = _event(client, receiver.received[0])
    assert event.type == "customer.created"
    assert event.data.object["id"] == customer.id
    assert client.v1.events.retrieve(event.id).pending_webhooks == 0
    with pytest.raises(stripe.SignatureVerificationError):
        _event(client, receiver.received[0], "whsec_other")


def test_only_wanted_events_are_sent(
    standin: StripeStandIn, receiver: Receiver
) -> None:
    standin.add_webhook(receiver.url(), events=["invoice.paid", "refund.*"])
    ids = [_emit(standin, kind) for kind in ("invoice.paid", "invoice.sent")]
    ids.append(_emit(standin, "refund.failed"))
    standin.hooks.settle()
    assert _sent(receiver) == [ids[0], ids[2]]


def test_while_a_secret_is_changed_both_sign(
    standin: StripeStandIn, receiver: Receiver, client: stripe.StripeClient
) -> None:
    endpoint = standin.add_webhook(receiver.url(), secrets=[SECRET])
    book = standin.engine.account.endpoints
    new = book.roll_secret(endpoint.id)
    _emit(standin)
    standin.hooks.settle()
    for secret in (SECRET, new):
        _event(client, receiver.received[0], secret)
    book.drop_old_secret(endpoint.id)
    _emit(standin)
    standin.hooks.settle()
    _event(client, receiver.received[1], new)
    with pytest.raises(stripe.SignatureVerificationError):
        _event(client, receiver.received[1], SECRET)


def test_endpoints_are_made_changed_and_removed_over_the_api(
    standin: StripeStandIn, receiver: Receiver, client: stripe.StripeClient
) -> None:
    made = client.v1.webhook_endpoints.create(
        {"url": receiver.url(), "enabled_events": ["customer.created"]}
    )
    assert made.secret is not None
    client.v1.customers.create({})
    standin.hooks.settle()
    _event(client, receiver.received[0], made.secret)
    assert client.v1.webhook_endpoints.retrieve(made.id).status == "enabled"
    client.v1.webhook_endpoints.update(made.id, {"disabled": True})
    client.v1.customers.create({})
    standin.hooks.settle()
    assert len(receiver.received) == 1
    assert client.v1.webhook_endpoints.delete(made.id).deleted
    assert client.v1.webhook_endpoints.list().data == []


@pytest.mark.parametrize(
    ("key", "delays_s"),
    [("sk_test_a", RETRIES_TEST_S), ("sk_live_a", RETRIES_LIVE_S)],
)
def test_what_is_refused_is_sent_again_by_the_clock(
    standin: StripeStandIn, receiver: Receiver, key: str, delays_s: tuple[int, ...]
) -> None:
    account = standin.add_account("Other", api_key=key).account
    standin.add_webhook(receiver.url(), account=account)
    receiver.status = 500
    account.emit("invoice.paid", {"object": "thing"})
    for tries, delay_s in enumerate(delays_s, start=1):
        standin.hooks.settle()
        assert len(receiver.received) == tries
        standin.advance(delay_s)
    standin.hooks.settle()
    assert standin.hooks.waiting() == []
    assert len(set(_sent(receiver))) == 1
    assert len(receiver.received) == len(delays_s) + 1


def test_retries_end_with_the_first_success(
    standin: StripeStandIn, receiver: Receiver
) -> None:
    standin.add_webhook("http://127.0.0.1:1/nobody")
    standin.add_webhook(receiver.url())
    event = standin.engine.account.emit("invoice.paid", {"object": "thing"})
    standin.hooks.settle()
    assert event["pending_webhooks"] == 1
    assert [kind for _, kind in standin.hooks.waiting()] == ["invoice.paid"]
    assert [attempt.status for attempt in standin.hooks.attempts].count(None) == 1


def test_a_lost_answer_makes_the_receiver_see_the_event_twice(
    standin: StripeStandIn, receiver: Receiver
) -> None:
    standin.add_webhook(receiver.url())
    standin.disorder("lost_answer")
    event = _emit(standin)
    standin.hooks.settle()
    standin.advance(RETRIES_TEST_S[0])
    standin.hooks.settle()
    assert _sent(receiver) == [event, event]


def test_events_are_lost_late_doubled_and_shuffled(
    standin: StripeStandIn, receiver: Receiver
) -> None:
    standin.add_webhook(receiver.url())
    standin.disorder("drop", types="invoice.*", nth=2)
    standin.disorder("delay", types="refund.*", seconds=90)
    standin.disorder("duplicate", types="charge.*", copies=2)
    kept, _ = _emit(standin), _emit(standin)
    late, thrice = _emit(standin, "refund.created"), _emit(standin, "charge.refunded")
    standin.hooks.settle()
    assert _sent(receiver) == [kept, thrice, thrice, thrice]
    standin.advance(90)
    standin.hooks.settle()
    assert _sent(receiver)[4:] == [late]
    with standin.hooks.held(shuffle=7):
        ids = [_emit(standin) for _ in range(8)]
        with pytest.raises(TimeoutError, match="held"):
            standin.hooks.settle()
    standin.hooks.settle()
    assert sorted(_sent(receiver)[5:]) == sorted(ids)
    assert _sent(receiver)[5:] != ids


@pytest.mark.parametrize("kind", ["bad_signature", "tampered", "stale", "unsigned"])
def test_forged_events_do_not_verify(
    standin: StripeStandIn, receiver: Receiver, client: stripe.StripeClient, kind: str
) -> None:
    standin.add_webhook(receiver.url(), secrets=[SECRET])
    standin.disorder(kind)
    for _ in range(2):
        _emit(standin)
    standin.hooks.settle()
    forged, true = receiver.received
    with pytest.raises((stripe.SignatureVerificationError, KeyError)):
        _event(client, forged)
    _event(client, true)
    assert standin.hooks.attempts[0].disorders == (kind,)


def test_events_for_somebody_else_are_signed_well(
    standin: StripeStandIn, receiver: Receiver, client: stripe.StripeClient
) -> None:
    standin.add_webhook(receiver.url(), secrets=[SECRET])
    kinds = ("old_version", "wrong_livemode", "wrong_account", "future", "oversized")
    for kind in kinds:
        standin.disorder(kind)
        _emit(standin)
        standin.hooks.settle()
    old, live, other, future, big = receiver.received
    assert _event(client, old).api_version == "2020-08-27"
    assert _event(client, live).livemode is True
    assert _event(client, other).account == "acct_somebody_else"
    stamps = [
        int(row.headers["stripe-signature"][2:].split(",")[0]) for row in (big, future)
    ]
    assert stamps[1] - stamps[0] >= 590
    assert len(big.body) == 512 * 1024


def test_weather_is_the_same_for_the_same_seed(receiver: Receiver) -> None:
    def counts(seed: int) -> list[tuple[str, ...]]:
        with StripeStandIn() as standin:
            standin.add_webhook(receiver.url())
            standin.weather(seed, drop=0.3, bad_signature=0.3, stale=0.2)
            for number in range(30):
                _emit(standin, number=number)
            standin.hooks.settle()
            return [attempt.disorders for attempt in standin.hooks.attempts]

    first = counts(1)
    assert first == counts(1)
    assert first != counts(2)
    assert 5 < len(first) < 30
