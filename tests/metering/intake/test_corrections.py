"""An answer that was settled but not handed over is given back, once."""

import asyncio

import psycopg
import pytest

from kit.contracts import EventKind, EventStatus
from kit.ids import unix_ms_of
from tests.metering.intake.metered import (
    COUNTS,
    OUTCOME,
    PRICE,
    Witness,
    admit,
    meter,
    started,
)


@pytest.mark.parametrize("prompt_too", [True, False])
async def test_correction_takes_back_tokens_and_charge(
    url: str, witness: Witness, prompt_too: bool
) -> None:
    async with started(meter(url)) as made:
        admission = admit(made)
        await made.settle(admission, OUTCOME)
        await made.undelivered(admission, OUTCOME, prompt_too=prompt_too)

    original, correction = witness.events()
    prompt = 1 if prompt_too else 0
    assert correction["kind"] == EventKind.UNDELIVERED
    assert correction["status"] == EventStatus.UNDELIVERED
    assert correction["corrects"] == original["request_id"]
    assert correction["request_id"] != original["request_id"]
    assert correction["admitted_at"] == original["admitted_at"]
    assert correction["price_id"] == original["price_id"]
    assert correction["input_tokens"] == -prompt * COUNTS.input_tokens
    assert correction["cached_input_tokens"] == -prompt * COUNTS.cached_input_tokens
    assert correction["output_tokens"] == -COUNTS.output_tokens
    assert correction["generated_tokens"] == 0
    prompt_picos = (
        COUNTS.input_tokens * PRICE.input_picos
        + COUNTS.cached_input_tokens * PRICE.cached_input_picos
    )
    left = 0 if prompt_too else prompt_picos
    assert original["charge_picos"] + correction["charge_picos"] == left
    (side,) = witness.rows("SELECT * FROM usage_correction")
    assert side["corrects"] == original["request_id"]
    assert side["request_id"] == correction["request_id"]
    assert (side["kind"], side["source"]) == (EventKind.UNDELIVERED, "gateway")


async def test_second_correction_is_refused_and_blocks_nothing(
    url: str, witness: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(meter(url)) as made:
        admission = admit(made)
        await made.settle(admission, OUTCOME)
        await made.undelivered(admission, OUTCOME, prompt_too=False)

        others = [made.settle(admit(made), OUTCOME) for _ in range(5)]
        second = made.undelivered(admission, OUTCOME, prompt_too=True)
        others += [made.settle(admit(made), OUTCOME) for _ in range(5)]
        with pytest.raises(psycopg.errors.UniqueViolation):
            await asyncio.wait_for(second, 10)
        await asyncio.gather(*others)

    assert made.committer.stats.refused == 1
    assert "event_refused" in caplog.text
    assert len(witness.rows("SELECT FROM usage_correction")) == 1
    assert len(witness.ids()) == 12
    (epoch,) = witness.epochs()
    assert epoch["admitted"] == epoch["settled"] == 11
    witness.require_whole()


async def test_correction_in_the_batch_of_its_event(url: str, witness: Witness) -> None:
    async with started(meter(url)) as made:
        admission = admit(made)
        await asyncio.gather(
            made.settle(admission, OUTCOME),
            made.undelivered(admission, OUTCOME, prompt_too=True),
        )

    assert sum(row["charge_picos"] for row in witness.events()) == 0
    assert len({unix_ms_of(row["request_id"]) for row in witness.events()}) == 1
    assert [row["settled"] for row in witness.epochs()] == [1]
    witness.require_whole()
