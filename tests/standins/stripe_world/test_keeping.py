"""A stand-in that keeps its accounts comes back as it was left, killed or not."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.visitor import Visitor
from tests.standins.stripe_world.scene import customer_with, opened
from tests.standins.webhook_receiver import receiving

ROOT = Path(__file__).resolve().parents[3]
KEY = "sk_test_kept"
SECRET = "whsec_kept"
ASKS = "4000002500003155"


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    with Visitor() as visitor:
        yield visitor


@contextmanager
def _running(*args: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "tests.standins.stripe", "--port", "0", *args]
    env = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}",
        "STRIPE_API_KEY": KEY,
        "STRIPE_WEBHOOK_SECRETS": SECRET,
    }
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=env
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip().removeprefix("STRIPE_API_BASE=")
        try:
            yield process, url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def _client(url: str, key: str = KEY) -> stripe.StripeClient:
    return stripe.StripeClient(key, base_addresses={"api": url}, max_network_retries=0)


def test_a_killed_standin_has_lost_nothing_that_it_answered(tmp_path: Path) -> None:
    kept = str(tmp_path / "accounts")
    key: Any = {"idempotency_key": "c:1"}
    with _running("--keep", kept) as (process, url):
        client = _client(url)
        first = client.v1.customers.create({"name": "A"}, key)
        customer = customer_with(client, "pm_card_visa")
        invoice = opened(client, customer.id, 900)
        process.kill()
        process.wait(20)
    with _running("--keep", kept) as (_, url):
        client = _client(url)
        assert client.v1.customers.create({"name": "A"}, key).id == first.id
        assert client.v1.invoices.pay(invoice.id).status == "paid"
        assert len(client.v1.invoices.line_items.list(invoice.id).data) == 1
        assert client.v1.customers.create({"name": "B"}).id[4:] > invoice.id[3:]


def test_what_was_to_be_sent_and_done_later_still_is(
    tmp_path: Path, visitor: Visitor
) -> None:
    kept = tmp_path / "accounts"
    with receiving() as receiver, StripeStandIn(kept_in=kept) as standin:
        receiver.status = 500
        standin.add_webhook(receiver.url(), events=["invoice.paid"])
        client = _client(standin.url)
        customer = customer_with(client)
        terms: Any = {"collection_method": "send_invoice", "days_until_due": 1}
        invoice = opened(client, customer.id, 700, **terms)
        waits = opened(client, customer.id, 800, **terms)
        visitor.open(waits.hosted_invoice_url or "").press("Pay", card=ASKS)
        client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
        standin.hooks.settle()
        standin.advance(60)
        path = visitor.url.removeprefix(standin.url)
        sent = len(receiver.received)
    receiver.received.clear()
    with (
        receiving(port=receiver.port) as again,
        StripeStandIn(kept_in=kept) as standin,
    ):
        assert sent == 1
        client = _client(standin.url)
        assert standin.hooks.waiting()[0][1] == "invoice.paid"
        standin.advance(300)
        standin.hooks.settle()
        assert len(again.received) == 1
        # It listens elsewhere now, and does not lead back to where it was.
        visitor.open(f"{standin.url}{path}")
        with suppress(httpx.ConnectError):
            visitor.press("Confirm")
        assert client.v1.invoices.retrieve(waits.id).status == "paid"
        late = opened(client, customer.id, 600, **terms)
        standin.advance(2 * 86_400)
        overdue = client.v1.events.list({"type": "invoice.overdue"}).data
        assert [event.data.object["id"] for event in overdue] == [late.id]


def test_a_file_that_cannot_be_read_is_put_aside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "accounts"
    kept.write_bytes(b"not what it was")
    with StripeStandIn(kept_in=kept) as standin:
        assert _client(standin.url).v1.customers.list().data == []
    assert (tmp_path / "accounts.unreadable").read_bytes() == b"not what it was"
    assert "cannot read" in capsys.readouterr().err


def test_the_command_line_sets_the_key_and_the_webhook() -> None:
    with receiving() as receiver, _running("--webhook", receiver.url()) as (_, url):
        with pytest.raises(stripe.AuthenticationError):
            _client(url, "sk_test_other").v1.customers.create({})
        client = _client(url)
        client.v1.customers.create({"name": "A"})
        receiver.wait()
        row = receiver.received[0]
        event = client.construct_event(
            row.body, row.headers["stripe-signature"], SECRET
        )
        assert event.type == "customer.created"
