"""What a real vLLM counted, what its callers saw and what Tollgate metered are one.

Three witnesses that share no code: the engine's own counters, the usage that the openai
SDK shows, and `/api/v1/usage/`. They must agree to the token, with one adjustment that
vLLM asks for: its prompt counter counts a prompt once for every choice, its usage and
ours once a request.

An engine at `ENGINE_URL` must have no other callers while this runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from openai import OpenAI

from kit.money import format_picos
from tests.engines.engine import Engine, EngineCounters
from tests.engines.mixed_calls import Call, Outcome, Usage, mixed_calls, perform_all
from tests.journeys.main_job import close_this_month, finance_page
from tests.journeys.product import Product
from tests.standins.stripe.server import StripeStandIn

pytestmark = [pytest.mark.engines, pytest.mark.timeout(1200)]

CALLS = 100
TENANT = "demo"
PATIENCE_SECONDS = 180.0
POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Metered:
    """The total of `/api/v1/usage/`."""

    requests: int
    usage: Usage
    charge_picos: int


@dataclass(frozen=True)
class Evidence:
    """What each witness says of the same calls, and the engine of their prompts."""

    outcomes: list[Outcome]
    prompt_tokens: list[int]
    counted: EngineCounters
    metered: Metered

    def seen(self) -> Usage:
        """Add up the usage that the SDK showed, where it showed any."""
        shown = (outcome.usage for outcome in self.outcomes if outcome.usage)
        return sum(shown, start=Usage())

    def unseen(self) -> list[Outcome]:
        """Return the streams whose callers did not ask for usage."""
        return [outcome for outcome in self.outcomes if outcome.usage is None]


@pytest.fixture(scope="module")
def evidence(product: Product, engine: Engine) -> Evidence:
    """Make the calls once, let everything settle, and hear all three witnesses."""
    calls = mixed_calls(CALLS)
    started_at = datetime.now(UTC)
    _until(engine.is_idle)
    counted_before = engine.counters()
    earlier = read_metered(product, around=started_at)
    with OpenAI(
        base_url=product.base_url, api_key=product.api_key, max_retries=0, timeout=120
    ) as client:
        outcomes = perform_all(client, model=product.model, calls=calls)
    _until(engine.is_idle)
    wanted = earlier.requests + len(calls)
    _until(lambda: read_metered(product, around=started_at).requests >= wanted)
    counted = engine.counters() - counted_before
    return Evidence(
        outcomes=outcomes,
        prompt_tokens=[_count_prompt(engine, call) for call in calls],
        counted=counted,
        metered=_growth(read_metered(product, around=started_at), since=earlier),
    )


def test_every_call_is_metered_once(evidence: Evidence) -> None:
    assert evidence.metered.requests == CALLS


def test_callers_see_the_prompt_that_the_engine_tokenizes(evidence: Evidence) -> None:
    pairs = zip(evidence.outcomes, evidence.prompt_tokens, strict=True)
    wrong = [
        (outcome, expected)
        for outcome, expected in pairs
        if outcome.usage and outcome.usage.prompt_tokens != expected
    ]
    assert not wrong


def test_prompts_are_metered_once_a_request(evidence: Evidence) -> None:
    assert evidence.metered.usage.prompt_tokens == sum(evidence.prompt_tokens)


def test_metered_prompts_are_what_the_engine_counted(evidence: Evidence) -> None:
    pairs = zip(evidence.outcomes, evidence.prompt_tokens, strict=True)
    repeated = sum(
        (outcome.call.shape.choices - 1) * tokens for outcome, tokens in pairs
    )
    counted = evidence.counted.prompt_tokens
    assert evidence.metered.usage.prompt_tokens == counted - repeated


def test_metered_output_is_what_the_engine_generated(evidence: Evidence) -> None:
    assert evidence.metered.usage.output_tokens == evidence.counted.generation_tokens


def test_output_that_no_caller_saw_counted_is_that_of_those_streams(
    evidence: Evidence,
) -> None:
    """A stream without usage spent its `max_tokens`, or less if it ended by itself."""
    unseen = evidence.unseen()
    spent = evidence.metered.usage.output_tokens - evidence.seen().output_tokens
    at_most = sum(outcome.call.max_tokens for outcome in unseen)
    at_least = sum(
        1 if "stop" in outcome.finish_reasons else outcome.call.max_tokens
        for outcome in unseen
    )
    assert unseen
    assert at_least <= spent <= at_most


def test_cached_prompt_tokens_are_metered_apart(evidence: Evidence) -> None:
    """What callers saw cached is metered so, and no more than the engine found."""
    cached = evidence.metered.usage.cached_tokens
    assert evidence.seen().cached_tokens <= cached <= evidence.counted.cached_tokens


def test_what_was_metered_was_charged(evidence: Evidence) -> None:
    assert evidence.metered.charge_picos > 0


def test_the_finance_page_shows_it(evidence: Evidence, product: Product) -> None:
    page = finance_page(product, TENANT)
    assert f"{evidence.metered.usage.output_tokens:,}" in page
    assert format_picos(evidence.metered.charge_picos) in page


def test_the_invoice_is_what_was_metered(
    evidence: Evidence, product: Product, stripe: StripeStandIn
) -> None:
    """Exact amounts sum to the charge, and Stripe's copy equals ours line by line."""
    invoice = close_this_month(product, TENANT)
    exact = sum(int(line["exact_picos"]) for line in invoice["lines"])
    assert exact == evidence.metered.charge_picos
    [theirs] = stripe.invoices()
    assert theirs["number"] == invoice["number"]
    assert theirs["total"] == invoice["amount_minor"]
    amounts = sorted(line["amount"] for line in theirs["lines"])
    assert amounts == sorted(line["amount_minor"] for line in invoice["lines"])


def read_metered(product: Product, *, around: datetime) -> Metered:
    """Read the operator's usage total of the hours beside an instant.

    The product bills by its database's clock, which is not this process's: an hour on
    either side, and growth rather than totals, make that difference not matter.
    """
    hour = timedelta(hours=1)
    answer = httpx.get(
        f"{product.url}/api/v1/usage/",
        params={
            "start": (around - hour).isoformat(),
            "end": (around + hour).isoformat(),
            "group_by": "model",
        },
        headers={"authorization": f"Bearer {product.operator_token}"},
        timeout=30,
    )
    assert answer.is_success, answer.text
    body = answer.json()
    parts = [_metered(row) for row in body["data"]]
    total = _metered(body["total"]) if parts else Metered(0, Usage(), 0)
    assert sum(part.requests for part in parts) == total.requests
    assert sum((part.usage for part in parts), start=Usage()) == total.usage
    return total


def _metered(row: dict[str, str | int]) -> Metered:
    """Read one row; token classes share a request's prompt out between them."""
    uncached, cached = int(row["input_tokens"]), int(row["cached_input_tokens"])
    return Metered(
        requests=int(row["requests"]),
        usage=Usage(
            prompt_tokens=uncached + cached,
            cached_tokens=cached,
            output_tokens=int(row["output_tokens"]),
        ),
        charge_picos=int(row["charge_picos"]),
    )


def _growth(now: Metered, *, since: Metered) -> Metered:
    return Metered(
        requests=now.requests - since.requests,
        usage=now.usage - since.usage,
        charge_picos=now.charge_picos - since.charge_picos,
    )


def _count_prompt(engine: Engine, call: Call) -> int:
    if call.shape.endpoint == "chat":
        return engine.count_chat(call.messages)
    return engine.count_text(call.prompt)


def _until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds; fail when patience ends."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not settle in time"
        time.sleep(POLL_SECONDS)
