"""Journals that cannot be settled, or not now, or not the first time."""

import errno
import os
from pathlib import Path

import pytest

from metering.intake.journal_file import HEAD_BYTES
from metering.intake.slots import PHASE_AT
from tests.metering.intake.metered import OUTCOME, Witness, admit, meter
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
