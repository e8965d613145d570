"""What is left out of a gateway does nothing at all, and what is not is the product's.

Where a part of the stand-ins fell behind the product, the bench would compare with
something that still does half of the work.
"""

import pytest

from metering.intake.committer import Committer
from metering.intake.journal import Entry, Journal
from metering.intake.meter import IntakeMeter
from tests.bench.left_out import COMMIT, JOURNAL, NoCommits, NoEntry, leave_out
from tests.metering.intake.metered import COUNTS, OUTCOME, admission, event, meter

# What only checkpoints and comparisons ask of entries, of which there are none.
_NEVER_ASKED = {"key", "data", "admission"}


@pytest.fixture
def made() -> IntakeMeter:
    """Provide a meter that is not started: its database is nowhere."""
    return meter("postgresql://127.0.0.1:1/nowhere")


def use(made: IntakeMeter) -> bytes:
    """Note all of a request in the journal; return the file as it was before."""
    before = bytes(made.journal.file.map)
    entry = made.journal.open(admission())
    entry.offered(COUNTS, replica_id=1, first_token_us=None)
    entry.written()
    entry.ended(OUTCOME, is_due=True)
    return before


def test_nothing_is_left_out_unasked(made: IntakeMeter) -> None:
    leave_out(made, [])
    assert type(made.committer) is Committer
    assert type(made.journal) is Journal
    assert use(made) != bytes(made.journal.file.map)


def test_left_out_journal_notes_nothing(made: IntakeMeter) -> None:
    leave_out(made, [JOURNAL])
    assert type(made.committer) is Committer
    assert made.committer.journal is made.journal
    assert use(made) == bytes(made.journal.file.map)
    assert made.journal.checkpoint() == b""
    assert made.journal.epoch_admitted == 1
    made.journal.open(admission()).void()
    assert made.journal.epoch_voided == 1
    made.begin_body(admission())
    made.body_taken(admission())


async def test_left_out_commit_keeps_nobody_waiting(made: IntakeMeter) -> None:
    leave_out(made, [COMMIT])
    assert isinstance(made.committer, NoCommits)
    entry = made.journal.open(admission())
    entry.ended(OUTCOME, is_due=False)
    assert made.committer.add(event(), entry=entry).done()
    assert made.committer.waiting == 0
    assert not made.journal.entries


def test_stand_in_of_an_entry_has_all_that_an_entry_does() -> None:
    does = {name for name in vars(Entry) if not name.startswith("_")} - _NEVER_ASKED
    assert does <= vars(NoEntry).keys()
