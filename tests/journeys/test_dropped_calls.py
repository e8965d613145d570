"""Three hundred calls, a third of them dropped at random, before two gateways.

What each client had when it left is at most what it was billed, and that is at most
what it had and what lay in the sockets; exactly what was read where it was read to the
end. The engine stops within a quarter of a second, and nothing stays open.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest

from inference.engines.simulator.tokens import (
    chat_tokens,
    delivered_tokens,
    text_tokens,
)
from kit.contracts import CountedBy
from tests.journeys.dropped_bills import (
    Judged,
    billed_requests,
    judge,
    settled,
    table,
)
from tests.journeys.dropped_calls import Call, Done, perform_all, random_calls
from tests.journeys.main_job import rows
from tests.journeys.product import Product, running_product
from tests.standins.transcript import Seen

pytestmark = pytest.mark.timeout(300)

CALLS = 300
SEED = 20_261_121
FIRST_TOKEN_MS, INTER_TOKEN_MS = 50, 5


@dataclass(slots=True)
class Simulator:
    """The facts of the simulator: numbered tokens, and aborts by its own count."""

    client: httpx.AsyncClient
    stream_options: Mapping[str, bool] = field(default_factory=dict)
    # It says as much as it is asked for.
    endless: Mapping[str, object] = field(default_factory=dict)
    tokens_per_s_max: float = 1000 / INTER_TOKEN_MS
    tokens_per_event_max: int = 1
    abort_ms_max: float = 250.0

    def tokens(self, seen: Seen) -> int:
        """Return the tokens delivered; raises if one is missing, doubled or cut."""
        return sum(map(delivered_tokens, seen.texts.values()))

    def prompt_tokens(self, call: Call) -> int:
        """Return what the simulator's rule gives."""
        if not call.is_chat:
            return len(text_tokens(call.prompt))
        return len(chat_tokens([{"role": "user", "content": call.prompt}]))

    async def aborts(self) -> int:
        """Ask the simulator."""
        return (await self.stats())["aborted"]

    async def stats(self) -> dict[str, int]:
        """Return the simulator's ground truth."""
        counts: dict[str, int] = (await self.client.get("/simulator/stats")).json()
        return counts


@asynccontextmanager
async def simulator_of(product: Product) -> AsyncIterator[Simulator]:
    """Slow the product's simulator down to a pace at which clients can leave."""
    async with httpx.AsyncClient(
        base_url=product.env["ENGINE_URL"], trust_env=False
    ) as client:
        pace = {"first_token_ms": FIRST_TOKEN_MS, "inter_token_ms": INTER_TOKEN_MS}
        (await client.post("/simulator/settings", json=pace)).raise_for_status()
        yield Simulator(client)


@dataclass(frozen=True)
class Run:
    """The product, and what became of each call."""

    product: Product
    outcomes: list[Done]
    judged: list[Judged]
    figures: str
    stats: dict[str, int]


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    """Run a product of two gateways."""
    with running_product(env={"GATEWAYS": "2"}) as product:
        yield product


@pytest.fixture(scope="module")
def run(product: Product) -> Run:
    """Make the calls, wait until all is settled, and judge every bill."""
    return asyncio.run(_run(product))


async def _run(product: Product) -> Run:
    async with simulator_of(product) as engine:
        outcomes = await perform_all(
            random_calls(CALLS, seed=SEED),
            base_url=product.base_url,
            api_key=product.api_key,
            model=product.model,
            engine=engine,
        )
        await settled(product)
        judged = judge(outcomes, billed_requests(product), engine)
        return Run(
            product, outcomes, judged, table(judged, engine), await engine.stats()
        )


def test_every_bill_is_within_what_was_received_and_what_lay_in_the_sockets(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{run.figures}")  # noqa: T201 (the figures are for people)
    wrong = [each for each in run.judged if each.faults]
    assert not wrong, "\n".join(f"{each.done.call}: {each.faults}" for each in wrong)


def test_a_third_was_dropped_in_every_way(run: Run) -> None:
    drops = [done.call.drop for done in run.outcomes if done.call.drop is not None]
    assert len(drops) == CALLS // 3
    kinds = {(drop.moment, drop.farewell) for drop in drops}
    assert len(kinds) == 12
    assert all(
        done.reading.received.is_complete
        for done in run.outcomes
        if done.call.drop is None
    )


def test_prompts_without_usage_were_counted_at_the_engine(run: Run) -> None:
    bills = [each.billed for each in run.judged if each.billed is not None]
    counted = [bill for bill in bills if bill.counted_by is CountedBy.TOKENIZER]
    assert counted
    assert all(bill.output_tokens == 0 < bill.prompt_tokens for bill in counted)


def test_the_engine_has_nothing_left_to_do(run: Run) -> None:
    stopped = [done for done in run.outcomes if done.abort_ms is not None]
    assert len(stopped) > CALLS // 6
    assert run.stats["aborted"] == len(stopped)
    assert run.stats["running"] == 0


def test_no_admission_is_open_and_no_number_is_missing(run: Run) -> None:
    epochs = rows(
        run.product,
        "SELECT admitted, settled, voided, last_seq, count(seq),"
        " count(*) FILTER (WHERE event.kind = 0), coalesce(max(seq), 0)"
        " FROM usage_epoch epoch LEFT JOIN usage_event event ON epoch.id = epoch_id"
        " GROUP BY epoch.id",
    )
    assert len(epochs) == 2
    for admitted, settled_, voided, last_seq, events, requests, highest in epochs:
        assert admitted == settled_ + voided
        assert settled_ == requests > 0
        assert last_seq == events == highest


@pytest.mark.parametrize("command", ["reconcile", "verify_ledger"])
def test_the_books_show_no_difference(run: Run, command: str) -> None:
    """A command ends with an error where there is one, and so fails this test."""
    book = json.loads(run.product.manage(command, "--json"))
    assert book["checks"]
    assert book["differences"] == 0
