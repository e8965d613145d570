"""What single acts of the journal cost, in microseconds of this thread's CPU.

Beside them stand two yardsticks, an empty method call and a checksum: where those are
slow, so is the machine. All take turns; figures are medians. Recovery is timed by the
clock, since it mostly waits for PostgreSQL; it gets a dead process's journal that is
full, with all of it committed within the last minute, so that all is looked up.
"""

import asyncio
import itertools
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from kit.contracts import (
    Admission,
    Caller,
    CountedBy,
    EventStatus,
    LinearPrice,
    Outcome,
    Surface,
    TokenCounts,
)
from kit.ids import uuid7
from metering.intake.epoch import Epoch, EpochCounts
from metering.intake.events import Pending, request_event
from metering.intake.journal import Entry, Journal
from metering.intake.journal_file import JournalFile
from metering.intake.owed import Bills
from metering.intake.recovery import BATCH_EVENTS_MAX, DeadEpoch, settle_dead
from metering.intake.slots import PROGRESS
from tests.bench.report import grid

ROUNDS = 15
SLOTS = 65_536
UNSETTLED = 1_000
# From another process's name, so that no living gateway is fenced off.
_GATEWAY = "bench-recovery"
_COUNTS = TokenCounts(input_tokens=100, cached_input_tokens=20, output_tokens=50)
_OUTCOME = Outcome(
    status=EventStatus.OK,
    counts=_COUNTS,
    generated_tokens=50,
    counted_by=CountedBy.ENGINE,
    replica_id=5,
    first_token_us=1_000,
    duration_us=2_000,
)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is done so many times at once, to time it."""

    name: str
    times: int
    run: Callable[[int], None]


def acts_table() -> str:
    """Measure all that happens in memory, and return it as a table."""
    with _journal(SLOTS) as usual, _journal(500) as some, _journal(5_000) as many:
        acts = [
            Act("an empty method call", 20_000, _Nobody().call),
            Act(f"zlib.crc32 of {PROGRESS.size} bytes", 20_000, _checksum),
            Act("a chunk: offered, written", 10_000, _chunks(usual)),
            # Each in the next slot, which no cache has.
            Act("a request: opened, ended, released", 3_000, _requests(usual)),
            Act("a checkpoint of 500 requests", 20, _checkpoints(some, 500)),
            Act("a checkpoint of 5,000 requests", 4, _checkpoints(many, 5_000)),
        ]
        found = _in_turns(acts)
    call_us, checksum_us = (statistics.median(found[act.name]) for act in acts[:2])
    lines = [["journal", "us", "least", "x call", "x checksum"]]
    for act in acts:
        median = statistics.median(found[act.name])
        lines.append(
            [
                act.name,
                f"{median:,.3f}",
                f"{min(found[act.name]):,.3f}",
                f"{median / call_us:,.1f}",
                f"{median / checksum_us:,.1f}",
            ]
        )
    return "\n".join(["", *grid(lines)])


async def recovery_table(url: str) -> str:
    """Fill a journal, leave it as a kill does, recover it, and say how long it took.

    `url` is of the gateway's role, and of a database that nobody needs afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder:
        path, epoch_id = await _left_behind(Path(folder), url)
        began = time.perf_counter()
        found = JournalFile.claim(path)
        if found is None:
            raise RuntimeError("the journal is still held")
        head = found.head()
        slots = list(found.read())
        read = time.perf_counter()
        epoch = DeadEpoch(epoch_id, _GATEWAY, head.started_us, head.admitted, 0)
        with psycopg.connect(url) as session:
            done = settle_dead(session, epoch, slots, bills=Bills.OFFERED)
        ended = time.perf_counter()
        found.remove()
    if (done.requests, done.corrections, done.refused) != (UNSETTLED, 0, 0):
        raise RuntimeError(f"not what was owed: {done}")
    return (
        f"\nrecovery of {SLOTS:,} slots, {UNSETTLED:,} of them unsettled:"
        f" {ended - began:.2f} s, of which {read - began:.2f} s reading"
    )


class _Nobody:
    """Whose method does nothing."""

    def call(self, times: int) -> None:
        call = self.nothing
        for _ in range(times):
            call()

    def nothing(self) -> None: ...


def _checksum(times: int) -> None:
    data, checksum = bytes(PROGRESS.size), zlib.crc32
    for _ in range(times):
        checksum(data)


def _chunks(journal: Journal) -> Callable[[int], None]:
    entry = _opened(journal, 1)[0]

    def run(times: int) -> None:
        for _ in range(times):
            entry.offered(_COUNTS, replica_id=5, first_token_us=1_000)
            entry.written()

    return run


def _requests(journal: Journal) -> Callable[[int], None]:
    admission = _admission(0)

    def run(times: int) -> None:
        for _ in range(times):
            entry = journal.open(admission)
            entry.ended(_OUTCOME, is_due=False)
            entry.committed()

    return run


def _checkpoints(journal: Journal, requests: int) -> Callable[[int], None]:
    _opened(journal, requests)

    def run(times: int) -> None:
        for _ in range(times):
            journal.checkpoint()

    return run


def _in_turns(acts: Sequence[Act]) -> dict[str, list[float]]:
    """Return what each act took, in microseconds, round by round."""
    found: dict[str, list[float]] = {act.name: [] for act in acts}
    # The first round warms up and does not count.
    for number in range(ROUNDS + 1):
        for act in acts:
            began_ns = time.thread_time_ns()
            act.run(act.times)
            used_ns = time.thread_time_ns() - began_ns
            if number:
                found[act.name].append(used_ns / act.times / 1000)
    return found


@contextmanager
def _journal(slots: int) -> Iterator[Journal]:
    with tempfile.TemporaryDirectory(prefix="tollgate-bench-") as folder:
        file = JournalFile.create(Path(folder), gateway=_GATEWAY, slots=slots)
        try:
            yield Journal(file)
        finally:
            file.remove()


async def _left_behind(folder: Path, url: str) -> tuple[Path, int]:
    """Return the journal of a process that was killed, and its open epoch."""
    epoch = Epoch(url=url, gateway=_GATEWAY)
    await epoch.open(left=EpochCounts(0, 0, None))
    journal = Journal(JournalFile.create(folder, gateway=_GATEWAY, slots=SLOTS))
    journal.enter(epoch.id, epoch.started_us, unsettled=0)
    entries = _opened(journal, SLOTS)
    for start in range(0, SLOTS - UNSETTLED, BATCH_EVENTS_MAX):
        some = entries[start : min(start + BATCH_EVENTS_MAX, SLOTS - UNSETTLED)]
        for entry in some:
            entry.ended(_OUTCOME, is_due=False)
        await _commit(epoch, some)
        for entry in some:
            entry.committed()
    for entry in entries[SLOTS - UNSETTLED :]:
        entry.offered(_COUNTS, replica_id=5, first_token_us=1_000)
    await epoch.drop_connection()
    journal.file.close()
    return journal.file.path, epoch.id


async def _commit(epoch: Epoch, entries: Sequence[Entry]) -> None:
    loop = asyncio.get_running_loop()
    batch = [
        Pending(request_event(entry.admission, _OUTCOME), loop.create_future(), 0)
        for entry in entries
    ]
    counts = EpochCounts(admitted=SLOTS, voided=0, open_since_us=None)
    await epoch.commit(batch, spent="", counts=counts)


def _opened(journal: Journal, requests: int) -> list[Entry]:
    return [journal.open(_admission(number)) for number in range(requests)]


_milliseconds = itertools.count(time.time_ns() // 1_000_000 - 2 * SLOTS)


def _admission(number: int) -> Admission:
    """Admit a request by hand."""
    unix_ms = next(_milliseconds)
    return Admission(
        request_id=uuid7(unix_ms),
        admitted_at_us=unix_ms * 1000,
        caller=Caller(1 + number % 8, 2, 3, "USD"),
        price=LinearPrice(4, "sim", "USD", 3_000_000, 300_000, 15_000_000),
        surface=Surface.CHAT_COMPLETIONS,
        streamed=True,
    )
