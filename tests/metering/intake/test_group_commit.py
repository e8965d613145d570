"""Group commit: numbered without a gap, in order, at once, and done when it is true."""

import asyncio
import random
from dataclasses import replace

from kit.clock import boot_us
from kit.handling import Handling, Keyed
from kit.latency import Latency
from metering.intake.committer import BATCH_EVENTS_MAX
from metering.intake.events import request_event, undelivered_event
from tests.databases import Database
from tests.eventually import eventually
from tests.metering.intake.metered import (
    COUNTS,
    GATEWAY,
    OUTCOME,
    Witness,
    admission,
    committer,
    event,
    held,
    running,
)

# What is measured and noted of requests, and may be missing.
FIGURES = (
    *("first_token_us", "queue_us", "last_token_us", "chunks", "gap_max_us"),
    *("attempts", "held_input_tokens", "held_output_tokens", "keyed"),
)
LOCK_EPOCHS = "SELECT FROM usage_epoch FOR UPDATE"
COMMIT_NAME = f"{GATEWAY} commit"


async def test_numbers_run_from_one_without_a_gap(url: str, witness: Witness) -> None:
    async with running(committer(url)) as made:
        commits = []
        for burst in (1, 7, 30, 2, 60):
            commits += [made.add(event()) for _ in range(burst)]
            await commits[-1]
        await asyncio.gather(*commits)

    assert [row["seq"] for row in witness.events()] == list(range(1, 101))
    (epoch,) = witness.epochs()
    assert (epoch["last_seq"], epoch["settled"], epoch["state"]) == (100, 100, "open")


async def test_who_cancels_the_wait_leaves_the_event_where_it_is(
    url: str, witness: Witness
) -> None:
    made = committer(url)
    commits = [made.add(event()) for _ in range(3)]
    waiting = asyncio.create_task(_wait_for(commits[1]))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert commits[1].cancelled()
    async with running(made):
        await asyncio.gather(commits[0], commits[2])

    assert [row["seq"] for row in witness.events()] == [1, 2, 3]


async def _wait_for(commit: asyncio.Future[None]) -> None:
    await commit


async def test_event_is_stored_as_it_was(url: str, witness: Witness) -> None:
    sent = event()
    async with running(committer(url)) as made:
        await made.add(sent)

    (row,) = witness.rows(
        "SELECT *, (extract(epoch FROM admitted_at) * 1000000)::bigint AS us"
        " FROM usage_event"
    )
    assert row["request_id"] == sent.request_id
    assert row["us"] == sent.admission.admitted_at_us
    assert (row["tenant_id"], row["project_id"], row["api_key_id"]) == (1, 2, 3)
    assert (row["price_id"], row["replica_id"]) == (4, 5)
    assert row["charge_picos"] == 100 * 3_000_000 + 20 * 300_000 + 50 * 15_000_000
    assert (row["input_tokens"], row["cached_input_tokens"]) == (100, 20)
    assert (row["output_tokens"], row["generated_tokens"]) == (50, 50)
    assert (row["first_token_us"], row["duration_us"]) == (1_000, 2_000)
    assert (row["queue_us"], row["last_token_us"]) == (0, 1_900)
    assert (row["chunks"], row["gap_max_us"]) == (49, 700)
    assert (row["attempts"], row["keyed"]) == (2, Keyed.FIRST)
    assert (row["held_input_tokens"], row["held_output_tokens"]) == (140, 64)
    assert (row["kind"], row["corrects"], row["streamed"]) == (0, None, True)


async def test_what_nobody_measured_is_stored_as_nothing(
    url: str, witness: Witness
) -> None:
    made = committer(url)
    unmeasured = replace(
        OUTCOME, first_token_us=None, latency=Latency(), handling=Handling()
    )
    waiting = made.add(request_event(admission(), unmeasured))
    async with running(made):
        await waiting
    [row] = witness.events()
    for name in FIGURES:
        assert row[name] is None, name


async def test_a_correction_repeats_no_figure_of_its_request(
    url: str, witness: Witness
) -> None:
    made = committer(url)
    given_back = undelivered_event(admission(), OUTCOME, prompt_too=True)
    waiting = made.add(given_back)
    async with running(made):
        await waiting
    [row] = witness.events()
    assert row["output_tokens"] == -OUTCOME.counts.output_tokens
    for name in FIGURES:
        assert row[name] is None, name


async def test_every_event_s_wait_is_counted(url: str) -> None:
    started_us = boot_us()
    made = committer(url)
    waiting = [made.add(event()) for _ in range(3)]
    async with running(made):
        await asyncio.gather(*waiting)
    assert list(made.stats.waits.cumulative())[-1] == (None, 3)
    assert 0 < made.stats.waits.sum <= 3 * (boot_us() - started_us)


async def test_batch_is_numbered_in_the_order_of_its_key(
    url: str, witness: Witness
) -> None:
    tenants = list(range(1, 9)) * 5
    random.Random(7).shuffle(tenants)
    made = committer(url)
    sent = [event(tenant_id=tenant) for tenant in tenants]
    waiting = [made.add(one) for one in sent]
    async with running(made):
        await asyncio.gather(*waiting)

    assert made.stats.commits == 1
    by_key = sorted((one.admission.caller.tenant_id, one.request_id) for one in sent)
    assert witness.ids() == [request_id for _, request_id in by_key]
    assert witness.ids() != [one.request_id for one in sent]


async def test_done_means_visible_to_everybody(url: str, witness: Witness) -> None:
    stored: list[int] = []
    async with running(committer(url)) as made:
        for _ in range(20):
            done = made.add(event())
            done.add_done_callback(lambda _: stored.append(len(witness.ids())))
            await done

    assert stored == list(range(1, 21))


async def test_commits_at_once_when_idle(url: str) -> None:
    loop = asyncio.get_running_loop()
    async with running(committer(url, gap_ms=60_000)) as made:
        await made.add(event())
        began = loop.time()
        await eventually(made._all_committed.is_set)
        await made.add(event())

    assert loop.time() - began < 5


async def test_one_commit_takes_all_that_came_meanwhile(
    url: str, witness: Witness, database: Database
) -> None:
    async with running(committer(url)) as made:
        with held(database, LOCK_EPOCHS):
            first = made.add(event())
            await eventually(lambda: witness.is_blocked(COMMIT_NAME))
            rest = [made.add(event()) for _ in range(50)]
        await asyncio.gather(first, *rest)

    assert made.stats.commits == 2
    assert made.stats.events == 51


async def test_gap_follows_a_long_commit(
    url: str, witness: Witness, database: Database
) -> None:
    """Under load a commit leaves the database as long a pause, up to the gap."""
    loop = asyncio.get_running_loop()
    async with running(committer(url, gap_ms=250)) as made:
        with held(database, LOCK_EPOCHS):
            first = made.add(event())
            began = loop.time()
            await eventually(lambda: witness.is_blocked(COMMIT_NAME))
            await eventually(lambda: loop.time() - began > 0.3)
        await first
        began = loop.time()
        await made.add(event())

    assert loop.time() - began > 0.2


async def test_batch_has_a_limit(url: str, witness: Witness) -> None:
    made = committer(url)
    waiting = [made.add(event()) for _ in range(BATCH_EVENTS_MAX + 1)]
    async with running(made):
        await asyncio.gather(*waiting)

    assert made.stats.commits == 2
    assert witness.epochs()[0]["last_seq"] == BATCH_EVENTS_MAX + 1
    witness.require_whole()


async def test_flush_waits_for_all_and_for_nothing(url: str, witness: Witness) -> None:
    async with running(committer(url)) as made:
        await made.flush(patience_s=0)
        for _ in range(10):
            made.add(event())
        await made.flush(patience_s=10)
        assert made.waiting == 0
        assert len(witness.ids()) == 10


async def test_flush_ends_with_its_patience(url: str, database: Database) -> None:
    async with running(committer(url)) as made:
        with held(database, LOCK_EPOCHS):
            made.add(event(counts=COUNTS))
            await made.flush(patience_s=0.05)
            assert made.waiting == 1
