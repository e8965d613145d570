"""Journals that cannot be settled, or not now, or not the first time."""

import asyncio
import errno
import os
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from kit.contracts import EventKind, LinearPrice, TokenCounts
from kit.orm.roles import as_operator
from metering.intake.journal_file import HEAD_BYTES
from metering.intake.slots import PHASE_AT
from metering.usage.corrections import Correction, post_corrections
from tests.databases import Database, pointed_at
from tests.factories.pricing import make_price
from tests.metering.intake.metered import (
    CALLER,
    OUTCOME,
    EveryModelCosts,
    Witness,
    admit,
    meter,
)
from tests.metering.intake.test_recovery import HALF, dead, killed


async def left_by_a_kill(url: str, gateway: str = "gateway") -> Path:
    """Kill a process with one request settled and one running."""
    made = meter(url, gateway=gateway)
    await made.start()
    await made.settle(admit(made), OUTCOME)
    made.trace(admit(made)).offered(HALF, replica_id=4, first_token_us=5)
    return await killed(made)


async def test_second_try_leaves_a_closed_epoch_in_balance(
    url: str, witness: Witness
) -> None:
    """Who recovers may die between the commit and the removal of the file."""
    path = await left_by_a_kill(url)
    witness.rows("UPDATE usage_epoch SET state = 'closed' RETURNING id")
    copy = path.read_bytes()

    for _ in range(2):
        path.write_bytes(copy)
        await dead(path, url).look()

        counts = [(each["admitted"], each["settled"]) for each in witness.epochs()]
        assert counts == [(1, 1), (1, 1)]
        assert not path.exists()


async def test_host_that_is_short_of_something_is_no_verdict(
    url: str, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await left_by_a_kill(url)
    finder = dead(path, url)

    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as context:
        context.setattr(os, "open", refuse)
        await finder.look()
    assert len(witness.ids()) == 1

    await finder.look()
    assert len(witness.ids()) == 2


async def test_journal_that_cannot_be_read_holds_no_other_and_stays_free(
    url: str, witness: Witness, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each look meets it anew: nobody keeps its lock."""
    paths = []
    for gateway in ("a", "b"):
        path = await left_by_a_kill(url, gateway)
        paths.append(path.rename(tmp_path / path.name))
    garbage = bytearray(paths[0].read_bytes())
    garbage[HEAD_BYTES + PHASE_AT] = 99
    paths[0].write_bytes(garbage)
    finder = dead(paths[0], url)

    await finder.look()
    await finder.look()

    assert [path.exists() for path in paths] == [True, False]
    assert len(witness.ids()) == 3
    assert caplog.text.count("recovery_failed") == 2


@pytest.mark.parametrize("kept_output", [0, 20])
async def test_nothing_is_given_back_that_an_operator_took_back_before(
    url: str, witness: Witness, database: Database, kept_output: int
) -> None:
    """A host may come back long after its client complained."""
    price = await asyncio.to_thread(published, database)
    made = meter(url)
    made.prices = EveryModelCosts(price)
    await made.start()
    due = admit(made)
    await made.settle(due, OUTCOME, is_due=True)
    path = await killed(made)
    counts = replace(OUTCOME.counts, output_tokens=50 - kept_output)
    await asyncio.to_thread(adjust, database, due.request_id, counts)

    for _ in range(2):
        await dead(path, url).look()

    events = witness.events()
    assert sum(row["charge_picos"] for row in events) == 0
    assert sum(row["output_tokens"] for row in events) == 0
    assert len(events) == (3 if kept_output else 2)


def published(database: Database) -> LinearPrice:
    with pointed_at(database):
        return make_price()


def adjust(database: Database, request_id: UUID, counts: TokenCounts) -> None:
    """Take tokens of a request back, as an operator does."""
    taken = Correction(
        tenant_id=CALLER.tenant_id,
        corrects=request_id,
        kind=EventKind.ADJUSTMENT,
        source="adjustment 1",
        counts=TokenCounts(
            -counts.input_tokens, -counts.cached_input_tokens, -counts.output_tokens
        ),
    )
    with pointed_at(database), as_operator():
        post_corrections([taken], poster="an operator")
