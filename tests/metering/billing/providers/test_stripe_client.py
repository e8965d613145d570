"""Every failure of a call is a refusal or a doubt; the SDK is the one we pinned."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import stripe

from metering.billing.operations import CallRefused, OutcomeUnknown
from metering.billing.providers.stripe.client import API_VERSION, StripeAccount
from tests.standins.stripe import StripeStandIn

REPLAYED = "\r\nidempotent-replayed: true"
TOO_FAST = '{"error": {"message": "because", "code": "rate_limit"}}'
LOCKED = '{"error": {"message": "because", "code": "lock_timeout"}}'
ERROR = '{"error": {"message": "because", "type": "api_error"}}'


@contextmanager
def _answering(head: str, body: str) -> Iterator[StripeAccount]:
    """Serve one request with these words."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(65536)
                length = f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
                peer.sendall(f"HTTP/1.1 {head}\r\n{length}{body}".encode())

        thread = threading.Thread(target=serve)
        thread.start()
        yield StripeAccount(
            api_key="sk_test_any",
            api_base=f"http://127.0.0.1:{server.getsockname()[1]}",
            network_retries_max=0,
        )
        thread.join()


@pytest.mark.parametrize(
    ("head", "body", "meaning"),
    [
        ("400 Bad Request", ERROR, CallRefused),
        ("401 Unauthorized", ERROR, CallRefused),
        ("402 Payment Required", ERROR, CallRefused),
        ("403 Forbidden", ERROR, CallRefused),
        ("404 Not Found", ERROR, CallRefused),
        ("409 Conflict", ERROR, OutcomeUnknown),
        ("429 Too Many Requests", ERROR, CallRefused),
        ("429 Too Many Requests", TOO_FAST, OutcomeUnknown),
        ("429 Too Many Requests", LOCKED, CallRefused),
        (f"429 Too Many Requests{REPLAYED}", TOO_FAST, CallRefused),
        ("500 Internal Server Error", ERROR, OutcomeUnknown),
        (f"500 Internal Server Error{REPLAYED}", ERROR, CallRefused),
        ("502 Bad Gateway", "<html>no</html>", OutcomeUnknown),
        ("200 OK", "<html>cut o", OutcomeUnknown),
    ],
)
def test_what_an_answer_means(head: str, body: str, meaning: type[Exception]) -> None:
    with _answering(head, body) as account, pytest.raises(meaning):
        account.customers.create({"name": "Acme"}, key="customer:1:1")


def test_a_refusal_says_why_in_stripes_own_word() -> None:
    head = "429 Too Many Requests"
    with (
        _answering(head, LOCKED) as account,
        pytest.raises(CallRefused) as refusal,
    ):
        account.customers.create({"name": "Acme"}, key="customer:1:1")
    assert refusal.value.code == "lock_timeout"


def test_nobody_there_is_a_doubt(standin: StripeStandIn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    account = StripeAccount(
        api_key="sk", api_base=f"http://127.0.0.1:{port}", network_retries_max=0
    )
    with pytest.raises(OutcomeUnknown):
        account.invoices.of_customer("cus_1")


def test_a_deleted_invoice_is_none_and_nothing_else_is(standin: StripeStandIn) -> None:
    account = StripeAccount(api_key="sk", api_base=standin.url, network_retries_max=0)
    assert account.invoices.read("in_gone") is None
    standin.plan("rate_limited", method="GET")
    with pytest.raises(OutcomeUnknown):
        account.invoices.read("in_gone")


def test_the_pinned_version_is_the_one_the_sdk_is_typed_for() -> None:
    assert stripe.api_version == API_VERSION
