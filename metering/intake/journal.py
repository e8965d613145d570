"""The journal of one gateway process: what it owes the database if it dies now.

A file mapped into memory, with a slot for each request. How far an answer is stands
there before a piece of it is sent (`offered`) and once the client's socket has it
(`written`); how the request ended, before its event is queued. A killed process leaves
it in the page cache, so no write waits for a disk; only while PostgreSQL is away is the
file synced, before an ending is let go.

Slots are taken again oldest first. What is committed therefore stays readable for a
while, so that what a failover of the database lost can be inserted again. Failure: no
free slot is `JournalFullError`. Owns: the file, the slots, the counters in its head.
"""

import zlib
from collections import deque
from uuid import UUID

from kit.clock import boot_us
from kit.contracts import Admission, CountedBy, Outcome, TokenCounts
from metering.intake.journal_file import (
    ADMITTED_AT,
    COUNTER,
    EPOCH,
    EPOCH_AT,
    HEAD_BYTES,
    VOIDED_AT,
    JournalFile,
)
from metering.intake.slots import (
    CHECKSUM,
    CHUNKS,
    CHUNKS_AT,
    COMMITTED,
    COMMITTED_AT,
    CORRECTION_AT,
    GAP_BYTES,
    GAPS_AT,
    LATENCY,
    LATENCY_AT,
    NO_STATUS,
    NO_TIME,
    PHASE_AT,
    PROGRESS,
    PROGRESS_AT,
    SLOT_BYTES,
    VOID_NUMBER,
    VOID_NUMBER_AT,
    WRITTEN_AT,
    Phase,
    checked,
    head_bytes,
    latency_bytes,
    progress_bytes,
)

_EMPTY = bytes(SLOT_BYTES)


class JournalFullError(Exception):
    """Every slot belongs to a request that is not settled yet."""


class Entry:
    """One request's slot. It is released once nothing about it is owed any more."""

    __slots__ = (
        "_at",
        "_copies",
        "_journal",
        "_map",
        "_owed",
        "_phase",
        "_started_us",
        "_version",
        "admission",
    )

    def __init__(self, journal: "Journal", at: int, admission: Admission) -> None:
        self.admission = admission
        self._journal = journal
        self._map = journal.file.map
        self._at = at
        self._copies = (at + PROGRESS_AT[0], at + PROGRESS_AT[1])
        self._started_us = boot_us()
        self._version = 0
        self._phase = Phase.RUNNING
        # How many events of this request wait for their commit.
        self._owed = 0

    @property
    def key(self) -> tuple[int, UUID]:
        """Return the key of the request's event."""
        return self.admission.caller.tenant_id, self.admission.request_id

    def offered(
        self, counts: TokenCounts, *, replica_id: int, first_token_us: int | None
    ) -> None:
        """Note what the client will have been given once the next piece is sent."""
        version = self._version = self._version + 1
        piece = PROGRESS.pack(
            version,
            NO_STATUS,
            CountedBy.ENGINE,
            replica_id,
            counts.input_tokens,
            counts.cached_input_tokens,
            counts.output_tokens,
            counts.reasoning_tokens,
            counts.output_tokens,
            NO_TIME if first_token_us is None else first_token_us,
            boot_us() - self._started_us,
        )
        at = self._copies[version & 1]
        self._map[at : at + _PIECE_BYTES] = piece + CHECKSUM.pack(zlib.crc32(piece))

    def written(self) -> None:
        """Note that the client's socket has what was offered."""
        self._map[self._at + WRITTEN_AT] = self._version & 0xFF

    def ended(self, outcome: Outcome, *, is_due: bool) -> None:
        """Note how the request ended; `is_due` when its body is still to be sent."""
        if is_due:
            # Before there is anything to bill: nobody has any of it.
            self._set(Phase.DUE)
        self._note_latency(outcome)
        self._version += 1
        at = self._copies[self._version & 1]
        self._map[at : at + _PIECE_BYTES] = progress_bytes(
            self._version,
            outcome.counts,
            outcome.generated_tokens,
            outcome.replica_id,
            outcome.first_token_us,
            outcome.duration_us,
            outcome.counted_by,
            outcome.status,
        )
        self._owed += 1
        if not is_due:
            self._set(Phase.ENDED)

    def _note_latency(self, outcome: Outcome) -> None:
        """Note how it went by: nobody reads that before the ending itself is here."""
        chunks, rest, handling = latency_bytes(outcome)
        at = self._at + CHUNKS_AT
        self._map[at : at + CHUNKS.size] = chunks
        at = self._at + LATENCY_AT
        self._map[at : at + LATENCY.size + CHECKSUM.size] = rest
        for number, gap_at in enumerate(GAPS_AT):
            at = self._at + gap_at
            start = number * GAP_BYTES
            self._map[at : at + GAP_BYTES] = handling[start : start + GAP_BYTES]

    def begun(self) -> None:
        """Note that the body is on its way: a death from now on does not undo it."""
        if self._phase is Phase.DUE:
            self._set(Phase.BEGUN)

    def taken(self) -> None:
        """Note that the client's socket has begun to take the body."""
        self._set(Phase.ENDED)
        self._release()

    def given_back(self, correction_id: UUID, *, prompt_too: bool) -> None:
        """Note that what was settled is to be given back, by an event of this id."""
        at = self._at + CORRECTION_AT
        self._map[at : at + 16] = correction_id.bytes
        self._owed += 1
        self._set(Phase.ANNULLED if prompt_too else Phase.RETURNED)

    def committed(self) -> None:
        """Note that one of its events is in the database."""
        self._owed -= 1
        self._release()

    def refused(self) -> None:
        """Note that the database will never take one of its events.

        Nothing is owed then for a body either, and nobody may say what became of it: a
        slot that is kept for ever would keep usage from ever being complete.
        """
        self._set(Phase.ENDED)
        self.committed()

    def void(self) -> None:
        """Forget a request that no engine took."""
        # Its number first: a kill before the counter is written must not lose it.
        self._journal.voided += 1
        number_at = self._at + VOID_NUMBER_AT
        VOID_NUMBER.pack_into(self._map, number_at, self._journal.voided)
        self._set(Phase.VOIDED)
        self._journal.count(VOIDED_AT, self._journal.voided)
        self._set(Phase.FREE)
        COMMITTED.pack_into(self._map, self._at + COMMITTED_AT, boot_us())
        self._journal.free.append(self._at)
        self._journal.entries.pop(self.admission.request_id, None)

    def data(self) -> bytes:
        """Return the slot's bytes, for a checkpoint."""
        return self._map[self._at : self._at + SLOT_BYTES]

    def _set(self, phase: Phase) -> None:
        self._phase = phase
        self._map[self._at + PHASE_AT] = phase

    def _release(self) -> None:
        if self._owed or self._phase in {Phase.DUE, Phase.BEGUN}:
            return
        COMMITTED.pack_into(self._map, self._at + COMMITTED_AT, boot_us())
        self._journal.free.append(self._at)
        self._journal.entries.pop(self.admission.request_id, None)


_PIECE_BYTES = PROGRESS.size + CHECKSUM.size


class Journal:
    """The slots of one process's journal."""

    def __init__(self, file: JournalFile) -> None:
        self.file = file
        self.admitted = 0
        self.voided = 0
        # By request, in the order of admission: all that is not released.
        self.entries: dict[UUID, Entry] = {}
        self.free = deque(
            range(HEAD_BYTES, HEAD_BYTES + file.slots * SLOT_BYTES, SLOT_BYTES)
        )
        self._epochs = 0
        self._before = (0, 0)
        self._opened_us = boot_us()

    @property
    def epoch_admitted(self) -> int:
        """Return how many requests the present epoch has: its own and those before."""
        return self.admitted - self._before[0]

    @property
    def epoch_voided(self) -> int:
        """Return how many of them no engine took."""
        return self.voided - self._before[1]

    @property
    def window_us(self) -> int:
        """Return for how long a committed request stays readable, as it looks now."""
        if not self.free:
            return 0
        oldest = COMMITTED.unpack_from(self.file.map, self.free[0] + COMMITTED_AT)[0]
        # A slot that was never used: all is still here, but nothing of the process
        # that was here before.
        return boot_us() - (oldest or self._opened_us)

    def open(self, admission: Admission) -> Entry:
        """Take the slot that has been free the longest; raises `JournalFullError`."""
        head = head_bytes(admission, self.admitted + 1)
        try:
            at = self.free.popleft()
        except IndexError:
            raise JournalFullError from None
        slots = self.file.map
        # What is here is nobody's while it is written.
        slots[at + PHASE_AT] = Phase.FREE
        slots[at : at + SLOT_BYTES] = head + _EMPTY[len(head) :]
        slots[at + PHASE_AT] = Phase.RUNNING
        self.admitted += 1
        self.count(ADMITTED_AT, self.admitted)
        entry = self.entries[admission.request_id] = Entry(self, at, admission)
        return entry

    def count(self, at: int, value: int) -> None:
        """Write one of the head's counters."""
        COUNTER.pack_into(self.file.map, at, value)

    def enter(self, epoch_id: int, started_us: int, *, unsettled: int) -> None:
        """Note that from now on all counts are for this epoch.

        It begins with so many requests that are not settled.
        """
        self._epochs += 1
        self._before = (self.admitted - unsettled, self.voided)
        at = EPOCH_AT[self._epochs & 1]
        piece = checked(EPOCH.pack(self._epochs, epoch_id, started_us, *self._before))
        self.file.map[at : at + len(piece)] = piece

    def checkpoint(self) -> bytes:
        """Return the slots of all requests that are not settled."""
        return b"".join(entry.data() for entry in self.entries.values())

    def close(self, *, is_needed: bool = False) -> None:
        """Remove the file if nothing is owed, else leave it to who comes next.

        It is needed, too, where the database may lack what is settled.
        """
        if self.entries or is_needed:
            self.file.close()
        else:
            self.file.remove()
