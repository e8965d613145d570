"""The main job: an API key, streamed answers, metered exactly, on a Stripe invoice.

Three hundred mixed calls of the openai SDK go through the product that `make up` runs.
What the SDK saw, the events, the usage API, the finance page, the invoice and Stripe's
copy of it must be one, to the token and to the pico.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from openai import OpenAI

from inference.engines.simulator.tokens import chat_tokens, text_tokens
from kit.money import format_picos, minor_from_picos
from tests.engines.mixed_calls import (
    Call,
    Outcome,
    Usage,
    mixed_calls,
    perform_all,
)
from tests.journeys.main_job import (
    close_this_month,
    finance_page,
    rows,
    stripe_settings,
)
from tests.journeys.product import Product, running_product
from tests.standins.stripe.server import StripeStandIn

pytestmark = pytest.mark.timeout(300)

CALLS = 300
TENANT = "acme"


@dataclass(frozen=True)
class Run:
    """The product, Stripe's stand-in, and what the callers saw."""

    product: Product
    stripe: StripeStandIn
    outcomes: list[Outcome]

    def usage_api(self, **query: str) -> dict[str, Any]:
        """Ask the usage API about the tenant."""
        answer = httpx.get(
            f"{self.product.url}/api/v1/usage/",
            params={"tenant": TENANT, **query},
            headers={"authorization": f"Bearer {self.product.operator_token}"},
            trust_env=False,
        )
        assert answer.status_code == httpx.codes.OK, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the product's database."""
        return rows(self.product, sql)

    def events(self) -> list[tuple[Any, ...]]:
        """Return requests, prompt tokens, output tokens and charge of all events."""
        return self.rows(
            "SELECT count(*), sum(input_tokens + cached_input_tokens)::bigint,"
            " sum(output_tokens)::bigint, sum(charge_picos)::bigint"
            " FROM usage_event JOIN tenants_tenant tenant ON tenant.id = tenant_id"
            f" WHERE tenant.slug = '{TENANT}'"
        )


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Make a tenant and a key, and make the calls."""
    with (
        StripeStandIn() as stripe,
        running_product(env=stripe_settings(stripe)) as product,
    ):
        product.manage("create_tenant", "--slug", TENANT, "--name", "Acme, Inc.")
        issued = product.manage(
            "issue_key", "--tenant", TENANT, "--name", "journey", "--json"
        )
        with OpenAI(
            base_url=product.base_url,
            api_key=json.loads(issued)["key"],
            max_retries=0,
        ) as client:
            outcomes = perform_all(
                client, model=product.model, calls=mixed_calls(CALLS)
            )
        yield Run(product, stripe, outcomes)


@pytest.fixture(scope="module")
def invoice(run: Run) -> dict[str, Any]:
    """Close this month as of a day in the next but one, and return its document."""
    return close_this_month(run.product, TENANT)


def test_events_are_what_the_sdk_saw(run: Run) -> None:
    """Every call is one event, and the sums are those of what the callers were told.

    A stream that did not ask for usage was told none: its tokens are those that the
    simulator's rule gives, which the others are held against too.
    """
    [(requests, prompt, output, charge)] = run.events()
    assert requests == CALLS
    assert charge > 0
    told = [outcome.usage or by_rule(outcome.call) for outcome in run.outcomes]
    assert told == [by_rule(outcome.call) for outcome in run.outcomes]
    total = sum(told, start=Usage())
    assert (prompt, output) == (total.prompt_tokens, total.output_tokens)


def by_rule(call: Call) -> Usage:
    """Return what the simulator counts for a call: its prompt, and all it asks for."""
    prompt = (
        chat_tokens([dict(message) for message in call.messages])
        if call.shape.endpoint == "chat"
        else text_tokens(call.prompt)
    )
    return Usage(
        prompt_tokens=len(prompt), output_tokens=call.max_tokens * call.shape.choices
    )


def test_every_event_is_numbered_without_a_gap(run: Run) -> None:
    """Events of an epoch are 1 to last_seq, and none is missing of any epoch."""
    epochs = run.rows(
        "SELECT epoch.last_seq, count(seq), coalesce(min(seq), 1), max(seq)"
        " FROM usage_epoch epoch LEFT JOIN usage_event ON epoch.id = epoch_id"
        " GROUP BY epoch.id"
    )
    assert epochs
    for last, count, low, high in epochs:
        assert (count, low, high or 0) == (last, 1, last)


def test_the_usage_api_says_the_same(run: Run) -> None:
    """Total and rows by model and day equal the sums of the events."""
    [(requests, prompt, output, charge)] = run.events()
    report = run.usage_api(group_by="model,day")
    total = report["total"]
    assert total["requests"] == requests
    assert total["input_tokens"] + total["cached_input_tokens"] == prompt
    assert total["output_tokens"] == output
    assert int(total["charge_picos"]) == charge
    assert sum(int(row["charge_picos"]) for row in report["data"]) == charge


def test_the_finance_page_says_the_same(run: Run) -> None:
    """The page of a signed-in operator shows the same requests and exact spend."""
    [(requests, _, output, charge)] = run.events()
    page = finance_page(run.product, TENANT)
    assert f"{requests:,}" in page
    assert f"{output:,}" in page
    assert format_picos(charge) in page


def test_the_invoice_is_the_events(run: Run, invoice: dict[str, Any]) -> None:
    """The lines' exact amounts sum to the events' charges, to the pico."""
    [(_, _, _, charge)] = run.events()
    lines = invoice["lines"]
    assert sum(int(line["exact_picos"]) for line in lines) == charge
    for line in lines:
        exact = int(line["exact_picos"])
        assert line["amount_minor"] == minor_from_picos(exact, invoice["currency"])
    assert invoice["amount_minor"] == sum(line["amount_minor"] for line in lines)


def test_stripe_has_the_same_invoice(run: Run, invoice: dict[str, Any]) -> None:
    """Stripe's one invoice is final, under our number, equal line by line."""
    [theirs] = run.stripe.invoices()
    assert theirs["number"] == invoice["number"]
    assert theirs["status"] in {"open", "paid"}
    assert theirs["total"] == invoice["amount_minor"]
    amounts = sorted(line["amount"] for line in theirs["lines"])
    assert amounts == sorted(line["amount_minor"] for line in invoice["lines"])


def test_the_books_balance(run: Run, invoice: dict[str, Any]) -> None:
    """What was accrued is on the receivable, and all entries sum to zero."""
    balances = dict(
        run.rows(
            "SELECT account.kind, sum(entry.amount_picos)::bigint"
            " FROM ledger_entry entry"
            " JOIN ledger_account account ON account.id = entry.account_id GROUP BY 1"
        )
    )
    assert sum(balances.values()) == 0
    assert balances["accrued"] == 0
    assert balances["receivable"] == invoice["amount_minor"] * 10**10


def test_closing_again_changes_nothing(run: Run, invoice: dict[str, Any]) -> None:
    """A second close makes no second invoice, here or at Stripe."""
    again = close_this_month(run.product, TENANT)
    assert again["number"] == invoice["number"]
    assert run.rows("SELECT number FROM billing_invoice") == [(invoice["number"],)]
    assert len(run.stripe.invoices()) == 1
