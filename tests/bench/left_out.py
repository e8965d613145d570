"""A gateway process whose journal, or commits too, do nothing: what they cost is left.

Run as `python -m tests.bench.left_out --without journal --without commit`; without
either option it is the product. It bills nobody and its epochs do not balance, so it is
no setting of the product: nothing but the bench can start it.
"""

import argparse
import asyncio
import gc
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from uuid import UUID

import uvloop

from config.env import DatabaseSettings, GatewaySettings, SecretSettings, load
from config.gateway import GatewayProcess
from kit.contracts import Admission, Outcome, TokenCounts
from metering.intake.committer import Committer
from metering.intake.events import UsageEvent
from metering.intake.journal import Entry, Journal
from metering.intake.journal_file import JournalFile
from metering.intake.meter import IntakeMeter

JOURNAL, COMMIT = "journal", "commit"


class NoEntry(Entry):
    """One for all requests: what is noted in it is forgotten."""

    __slots__ = ()

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def offered(
        self, counts: TokenCounts, *, replica_id: int, first_token_us: int | None
    ) -> None: ...

    def written(self) -> None: ...

    def ended(self, outcome: Outcome, *, is_due: bool) -> None: ...

    def begun(self) -> None: ...

    def taken(self) -> None: ...

    def given_back(self, correction_id: UUID, *, prompt_too: bool) -> None: ...

    def committed(self) -> None: ...

    def refused(self) -> None: ...

    def void(self) -> None:
        self._journal.voided += 1


class _Entries(dict[UUID, Entry]):
    """Empty, so that checkpoints are; and yet everybody is in it."""

    def __init__(self, entry: Entry) -> None:
        super().__init__()
        self._entry = entry

    def __missing__(self, request_id: UUID) -> Entry:
        return self._entry


class NoJournal(Journal):
    """Counts what is admitted, and keeps nothing of it."""

    def __init__(self, file: JournalFile) -> None:
        super().__init__(file)
        self._entry = NoEntry(self)
        self.entries = _Entries(self._entry)

    def open(self, admission: Admission) -> Entry:
        self.admitted += 1
        return self._entry


@dataclass(slots=True)
class NoCommits(Committer):
    """Says of every event at once that it is durable, and forgets it."""

    def add(
        self,
        event: UsageEvent,
        uses: dict[int, int] | None = None,
        *,
        entry: Entry | None = None,
    ) -> asyncio.Future[None]:
        if uses:
            self.leases.book.settled(uses)
        if entry is not None:
            entry.committed()
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


def leave_out(meter: IntakeMeter, parts: Collection[str]) -> None:
    """Put what does nothing in these parts' places; before the meter is started."""
    if JOURNAL in parts:
        meter.journal = NoJournal(meter.journal.file)
        meter.committer.journal = meter.journal
    if COMMIT in parts:
        kept = {
            field.name: getattr(meter.committer, field.name)
            for field in fields(Committer)
        }
        meter.committer = NoCommits(**kept)


async def run(parts: Collection[str]) -> None:
    """Run such a process as `config.gateway` does."""
    process = await GatewayProcess.open(
        gateway=load(GatewaySettings),
        database=load(DatabaseSettings),
        secrets=load(SecretSettings),
    )
    leave_out(process.meter, parts)
    gc.collect()
    gc.freeze()
    await process.run()


def main(argv: Sequence[str]) -> None:
    """Read which parts to leave out, and run without them until a signal."""
    parser = argparse.ArgumentParser(prog="left_out", description=__doc__)
    parser.add_argument(
        "--without", action="append", choices=[JOURNAL, COMMIT], default=[]
    )
    uvloop.run(run(parser.parse_args(argv).without))


if __name__ == "__main__":
    main(sys.argv[1:])
