"""The stand-in keeps Stripe's rules, seen through the real SDK over a socket."""

import json
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import stripe

from tests.standins.stripe import StripeStandIn, api, contract

DAY_S = 24 * 3600
ROOT = Path(__file__).resolve().parents[2]
TERMS: dict[str, Any] = {
    "currency": "usd",
    "collection_method": "send_invoice",
    "days_until_due": 14,
}


@pytest.fixture
def standin() -> Iterator[StripeStandIn]:
    with StripeStandIn() as running:
        yield running


@pytest.fixture
def client(standin: StripeStandIn) -> stripe.StripeClient:
    return stripe.StripeClient(
        "sk_test_any", base_addresses={"api": standin.url}, max_network_retries=0
    )


def _draft(client: stripe.StripeClient, **params: Any) -> stripe.Invoice:
    customer = client.v1.customers.create({"name": "Acme"})
    return client.v1.invoices.create(_terms(customer.id, **params))


def _terms(customer: str, /, **params: Any) -> Any:
    return {"customer": customer, **TERMS, **params}


def _add(client: stripe.StripeClient, invoice: stripe.Invoice, *amounts: int) -> None:
    lines: Any = [{"amount": amount, "description": "tokens"} for amount in amounts]
    client.v1.invoices.add_lines(invoice.id, {"lines": lines})


def _key(key: str) -> Any:
    return {"idempotency_key": key}


def test_every_route_knows_the_parameters_of_the_sdk() -> None:
    for route in api.ROUTES:
        # Nothing is expanded of what is deleted, nor by the second version.
        assert (
            "expand" in contract.fields_of(route.declared)
            or route.method == "DELETE"
            or route.path.startswith("/v2/")
        )


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"colour": "red"}, "unknown parameter: colour"),
        ({"metadata": {"a": {"b": "c"}}}, "Invalid hash: metadata"),
        ({"metadata": {"k" * 41: "v"}}, "too long"),
        ({"automatic_tax": {"enabled": True, "x": 1}}, r"automatic_tax\[x\]"),
        ({"days_until_due": "soon"}, "Invalid integer: soon"),
        ({"auto_advance": "yes"}, "Invalid auto_advance"),
        ({"pending_invoice_items_behavior": "exclude", "customer": "cus_x"}, "No such"),
    ],
)
def test_parameters_are_those_of_the_sdk(
    client: stripe.StripeClient, params: dict[str, Any], said: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match=said):
        _draft(client, **params)


def test_lines_need_whole_minor_units(client: stripe.StripeClient) -> None:
    invoice = _draft(client)
    with pytest.raises(stripe.InvalidRequestError, match="Invalid integer"):
        _add(client, invoice, 1.5)  # type: ignore[arg-type]
    with pytest.raises(stripe.InvalidRequestError, match="lines"):
        client.v1.invoices.add_lines(invoice.id, {})  # type: ignore[typeddict-item]


def test_another_api_version_is_refused(standin: StripeStandIn) -> None:
    old = stripe.StripeClient(
        "sk", stripe_version="2024-06-20", base_addresses={"api": standin.url}
    )
    with pytest.raises(stripe.InvalidRequestError, match="2024-06-20"):
        old.v1.customers.create({})


def test_an_invoice_goes_from_draft_to_paid(client: stripe.StripeClient) -> None:
    invoice = _draft(client, metadata={"ours": "7"})
    _add(client, invoice, 120, 30)
    client.v1.invoices.update(invoice.id, {"number": "T-2026-000001"})
    opened = client.v1.invoices.finalize_invoice(invoice.id, {"auto_advance": True})
    assert (opened.status, opened.total, opened.number) == (
        "open",
        150,
        "T-2026-000001",
    )
    assert opened.hosted_invoice_url
    with urllib.request.urlopen(opened.hosted_invoice_url) as page:  # noqa: S310
        assert "1.50 USD" in page.read().decode()
    with pytest.raises(stripe.InvalidRequestError) as refused:
        _add(client, invoice, 1)
    assert refused.value.code == "invoice_not_editable"
    paid = client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_remaining) == ("paid", 0)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.void_invoice(invoice.id)


def test_a_deleted_draft_is_gone_and_an_open_one_cannot_be(
    client: stripe.StripeClient,
) -> None:
    invoice = _draft(client)
    assert client.v1.invoices.delete(invoice.id).deleted
    with pytest.raises(stripe.InvalidRequestError) as gone:
        client.v1.invoices.retrieve(invoice.id)
    assert gone.value.code == "resource_missing"
    other = _draft(client)
    _add(client, other, 500)
    client.v1.invoices.finalize_invoice(other.id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.delete(other.id)


def test_numbers_are_unique_in_the_account(client: stripe.StripeClient) -> None:
    _draft(client, number="T-1")
    other = _draft(client)
    with pytest.raises(stripe.InvalidRequestError, match="taken"):
        client.v1.invoices.update(other.id, {"number": "T-1"})


def test_lines_come_in_pages_of_at_most_a_hundred(client: stripe.StripeClient) -> None:
    invoice = _draft(client)
    _add(client, invoice, *range(1, 121))
    _add(client, invoice, *range(121, 251))
    first = client.v1.invoices.line_items.list(invoice.id, {"limit": 100})
    assert (len(first.data), first.has_more) == (100, True)
    amounts = [line.amount for line in first.auto_paging_iter()]
    assert amounts == list(range(1, 251))
    with pytest.raises(stripe.InvalidRequestError, match="limit"):
        client.v1.invoices.line_items.list(invoice.id, {"limit": 101})
    with pytest.raises(stripe.InvalidRequestError, match="250"):
        _add(client, invoice, 1)


def test_pending_items_join_only_the_draft_that_asks_for_them(
    client: stripe.StripeClient,
) -> None:
    customer = client.v1.customers.create({})
    client.v1.invoice_items.create(
        {"customer": customer.id, "amount": 70, "currency": "usd"}
    )
    without = client.v1.invoices.create(_terms(customer.id))
    asking = _terms(customer.id, pending_invoice_items_behavior="include")
    assert without.total == 0
    assert client.v1.invoices.create(asking).total == 70


def test_zero_is_paid_and_less_than_the_least_charge_is_carried(
    client: stripe.StripeClient,
) -> None:
    zero = _draft(client)
    _add(client, zero, 0)
    assert client.v1.invoices.finalize_invoice(zero.id).status == "paid"
    small = _draft(client)
    _add(client, small, 20)
    carried = client.v1.invoices.finalize_invoice(small.id)
    assert (carried.status, carried.total, carried.amount_due) == ("paid", 20, 0)
    later = client.v1.invoices.create(_terms(str(small.customer)))
    _add(client, later, 100)
    opened = client.v1.invoices.finalize_invoice(later.id)
    assert (opened.status, opened.total, opened.amount_due) == ("open", 100, 120)


def test_a_key_replays_its_first_result_for_a_day(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    first = client.v1.customers.create({"name": "A"}, _key("c:1"))
    again = client.v1.customers.create({"name": "A"}, _key("c:1"))
    assert again.id == first.id
    assert again.last_response is not None
    assert again.last_response.headers["idempotent-replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError):
        client.v1.customers.create({"name": "B"}, _key("c:1"))
    standin.engine.clock.advance(DAY_S)
    assert client.v1.customers.create({"name": "A"}, _key("c:1")).id != first.id


@pytest.mark.parametrize(
    ("kind", "status", "made"),
    [("lock_timeout", 429, 0), ("error_500", 500, 0), ("commit_then_500", 500, 1)],
)
def test_stored_errors_are_replayed_too(
    standin: StripeStandIn,
    client: stripe.StripeClient,
    kind: str,
    status: int,
    made: int,
) -> None:
    standin.plan(kind, path="/v1/customers")
    for replayed in (None, "true"):
        with pytest.raises(stripe.StripeError) as failure:
            client.v1.customers.create({"name": "A"}, _key("c:1"))
        assert failure.value.http_status == status
        assert failure.value.headers is not None
        assert failure.value.headers.get("idempotent-replayed") == replayed
    assert len(standin.engine.account.customers) == made
    client.v1.customers.create({"name": "A"}, _key("c:2"))


def test_what_never_ran_leaves_the_key_free(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    unknown: Any = {"colour": "red"}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create(unknown, _key("c:1"))
    standin.plan("rate_limited")
    with pytest.raises(stripe.RateLimitError):
        client.v1.customers.create({"name": "A"}, _key("c:1"))
    client.v1.customers.create({"name": "A"}, _key("c:1"))
    assert len(standin.engine.account.customers) == 1


@pytest.mark.parametrize(
    ("kind", "made"), [("drop_before", 0), ("commit_then_drop", 1)]
)
def test_a_lost_answer_leaves_one_customer_after_a_retry(
    standin: StripeStandIn, client: stripe.StripeClient, kind: str, made: int
) -> None:
    standin.plan(kind, path="/v1/customers")
    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.create({"name": "A"}, _key("c:1"))
    assert len(standin.engine.account.customers) == made
    client.v1.customers.create({"name": "A"}, _key("c:1"))
    assert len(standin.engine.account.customers) == 1


def test_a_key_in_use_is_a_conflict(
    standin: StripeStandIn, client: stripe.StripeClient
) -> None:
    held = standin.plan("hold", path="/v1/customers")
    names: list[str | None] = []
    first = threading.Thread(
        target=lambda: names.append(
            client.v1.customers.create({"name": "A"}, _key("c:1")).name
        )
    )
    first.start()
    assert held.reached.wait(10)
    with pytest.raises(stripe.StripeError) as conflict:
        client.v1.customers.create({"name": "A"}, _key("c:1"))
    assert conflict.value.http_status == 409
    held.released.set()
    first.join(10)
    assert names == ["A"]


def test_faults_clock_and_journal_are_set_over_http() -> None:
    command = [sys.executable, "-m", "tests.standins.stripe", "--port", "0"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"},
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip().removeprefix("STRIPE_API_BASE=")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        client = stripe.StripeClient(
            "sk", base_addresses={"api": url}, max_network_retries=0
        )
        _control(url, "faults", {"kind": "drop_before", "path": "/v1/customers"})
        with pytest.raises(stripe.APIConnectionError):
            client.v1.customers.create({"name": "A"})
        before = _control(url, "clock", {"advance_s": 0})["now"]
        assert _control(url, "clock", {"advance_s": DAY_S})["now"] >= before + DAY_S
        _draft(client)
        assert [i["status"] for i in _control(url, "invoices")["data"]] == ["draft"]
        journal = _control(url, "journal")["data"]
        assert [entry["fault"] for entry in journal] == ["drop_before", None, None]
        with pytest.raises(urllib.error.HTTPError, match="400"):
            _control(url, "faults", {"kind": "earthquake"})
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def _control(url: str, what: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"{url}/standin/{what}", data=data) as answer:  # noqa: S310
        return json.load(answer)
