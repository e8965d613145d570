"""One request's place in the journal: how its bytes are laid out, and read back. Pure.

A slot is written piece by piece by a process that may be killed between any two of its
instructions. What changes as a whole is therefore written beside what it replaces, with
a version and a checksum: a reader takes the newest that is whole. Failure: a piece that
is torn or from another time does not exist.
"""

import enum
import struct
import zlib
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

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
from kit.handling import ATTEMPTS_MAX, HELD_TOKENS_MAX, NOT_NOTED, Handling, Keyed
from kit.latency import NO_LATENCY, Latency

# A cache line's multiple, so that no two slots share one.
SLOT_BYTES = 256
HEAD = struct.Struct("<16s9qBB")
PROGRESS = struct.Struct("<IBBq5iqq")
CHECKSUM = struct.Struct("<I")
# Of the latency, which is written once: the chunks by themselves, then the wait, the
# longest gap and how long before its end a request had its last token.
CHUNKS = struct.Struct("<I")
LATENCY = struct.Struct("<III")
# Of the handling, written with the latency: one number, whose bytes fill the gaps that
# the other pieces leave between them. Nothing, as of an older version, is not noted.
HANDLING = struct.Struct("<Q")
GAP_BYTES = 2
# Where each piece begins: the head, the two newest progresses, single values.
HEAD_AT = 0
PROGRESS_AT = (96, 152)
PHASE_AT = 208
WRITTEN_AT = 209
CHUNKS_AT = 212
COMMITTED_AT = 216
CORRECTION_AT = 224
LATENCY_AT = 240
GAPS_AT = (94, 150, 206, 210)
# A voided request is never corrected, and what it has instead may be half written.
VOID_NUMBER_AT = CORRECTION_AT
COMMITTED = struct.Struct("<q")
VOID_NUMBER = struct.Struct("<q")
# How long what is committed is looked up again, for a database that failed over.
KEPT_US = 60_000_000
NO_STATUS = 255
NO_TIME = -1
# What is no figure, and the most that one can be: over an hour.
NO_FIGURE = 0xFFFFFFFF
FIGURE_MAX = NO_FIGURE - 1
_NOT_NOTED = bytes(HANDLING.size)
_HELD_BITS = HELD_TOKENS_MAX.bit_length()
_ATTEMPTS_AT = 2 * _HELD_BITS
_KEYED_AT = _ATTEMPTS_AT + ATTEMPTS_MAX.bit_length()
_KEYED = frozenset(Keyed)


class Phase(enum.IntEnum):
    """How far a request is. Values are stored.

    DUE has ended with a body that is not on its way yet, BEGUN with one that is. Of
    RETURNED its output is to be given back, of ANNULLED all of it.
    """

    FREE = 0
    RUNNING = 1
    DUE = 2
    BEGUN = 3
    ENDED = 4
    RETURNED = 5
    ANNULLED = 6
    VOIDED = 7


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of an answer there was; `status` is None while it is running."""

    version: int
    status: EventStatus | None
    counted_by: CountedBy
    replica_id: int
    counts: TokenCounts
    generated_tokens: int
    first_token_us: int | None
    duration_us: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot as it was found.

    `number` counts the admissions of its process. `offered` is the newest progress,
    `written` the newest that the client's socket took. `committed_us` is when all of it
    was in the database, by the boot clock; 0 before. `correction_id` is that of the
    event that gives back what was settled.
    """

    admission: Admission
    number: int
    phase: Phase
    offered: Progress | None
    written: Progress | None
    committed_us: int
    correction_id: UUID
    # Of a request that has ended; nothing of one whose slot is of an older version.
    latency: tuple[int | None, ...] | None = None
    handling: Handling = NOT_NOTED

    @property
    def key(self) -> tuple[int, UUID]:
        """Return the key of the request's event."""
        return self.admission.caller.tenant_id, self.admission.request_id

    @property
    def void_number(self) -> int:
        """Return which of its process's voided requests it is; it shares the place."""
        number: int = VOID_NUMBER.unpack_from(self.correction_id.bytes)[0]
        return number

    @property
    def outcome(self) -> Outcome | None:
        """Return how the request ended, if it has."""
        ended = self.offered
        if ended is None or ended.status is None:
            return None
        outcome = outcome_of(ended)
        if self.latency is None:
            return outcome
        queue_us, gap_max_us, tail_us, chunks = self.latency
        last_us = None if tail_us is None else outcome.duration_us - tail_us
        return replace(
            outcome,
            latency=Latency(queue_us, last_us, chunks, gap_max_us),
            handling=self.handling,
        )


def outcome_of(progress: Progress, status: EventStatus | None = None) -> Outcome:
    """Return the outcome of a request that got so far and no further."""
    ended_as = progress.status if status is None else status
    if ended_as is None:
        raise ValueError("a request that is running has no outcome")
    had_some = progress.status is None and progress.counts.output_tokens > 0
    return Outcome(
        status=ended_as,
        counts=progress.counts,
        generated_tokens=progress.generated_tokens,
        counted_by=progress.counted_by,
        replica_id=progress.replica_id,
        first_token_us=progress.first_token_us,
        duration_us=progress.duration_us,
        # A request that was killed had its last token when its last piece was sent.
        latency=Latency(last_token_us=progress.duration_us) if had_some else NO_LATENCY,
    )


def head_bytes(admission: Admission, number: int) -> bytes:
    """Lay out what is known of a request when it is admitted."""
    caller, price = admission.caller, admission.price
    return checked(
        HEAD.pack(
            admission.request_id.bytes,
            admission.admitted_at_us,
            caller.tenant_id,
            caller.project_id,
            caller.api_key_id,
            price.id,
            price.input_picos,
            price.cached_input_picos,
            price.output_picos,
            number,
            admission.surface,
            admission.streamed,
        )
    )


def progress_bytes(
    version: int,
    counts: TokenCounts,
    generated_tokens: int,
    replica_id: int,
    first_token_us: int | None,
    duration_us: int,
    counted_by: int,
    status: int = NO_STATUS,
) -> bytes:
    """Lay out how far a request is."""
    return checked(
        PROGRESS.pack(
            version,
            status,
            counted_by,
            replica_id,
            counts.input_tokens,
            counts.cached_input_tokens,
            counts.output_tokens,
            counts.reasoning_tokens,
            generated_tokens,
            NO_TIME if first_token_us is None else first_token_us,
            duration_us,
        )
    )


def latency_bytes(outcome: Outcome) -> tuple[bytes, bytes, bytes]:
    """Lay out how a request went by: its chunks, the rest with a checksum of it all.

    And what was done for it, which goes where the gaps are.
    """
    latency, last_us = outcome.latency, outcome.latency.last_token_us
    chunks = CHUNKS.pack(_figure(latency.chunks))
    rest = LATENCY.pack(
        _figure(latency.queue_us),
        _figure(latency.gap_max_us),
        _figure(None if last_us is None else outcome.duration_us - last_us),
    )
    handling = _handling_bytes(outcome.handling)
    return chunks, rest + CHECKSUM.pack(_sum_of(chunks, rest, handling)), handling


def _sum_of(
    chunks: bytes | memoryview, rest: bytes | memoryview, handling: bytes
) -> int:
    """Return the checksum, which of an older version's slot is of no handling."""
    checksum = zlib.crc32(rest, zlib.crc32(chunks))
    return checksum if handling == _NOT_NOTED else zlib.crc32(handling, checksum)


def _handling_bytes(handling: Handling) -> bytes:
    attempts, keyed = handling.attempts, handling.keyed
    held_input = handling.held_input_tokens
    held_output = handling.held_output_tokens
    if attempts is None or keyed is None or held_input is None or held_output is None:
        return _NOT_NOTED
    return HANDLING.pack(
        held_input
        | held_output << _HELD_BITS
        | attempts << _ATTEMPTS_AT
        | (keyed + 1) << _KEYED_AT
    )


def _handling(data: bytes) -> Handling:
    (number,) = HANDLING.unpack(data)
    keyed = (number >> _KEYED_AT) - 1
    # What no version writes is taken for nothing noted: a journal is always read.
    if keyed not in _KEYED:
        return NOT_NOTED
    return Handling(
        attempts=number >> _ATTEMPTS_AT & ATTEMPTS_MAX,
        held_input_tokens=number & HELD_TOKENS_MAX,
        held_output_tokens=number >> _HELD_BITS & HELD_TOKENS_MAX,
        keyed=Keyed(keyed),
    )


def _figure(value: int | None) -> int:
    return NO_FIGURE if value is None else min(max(0, value), FIGURE_MAX)


def checked(piece: bytes) -> bytes:
    """Append a piece's checksum."""
    return piece + CHECKSUM.pack(zlib.crc32(piece))


def read_slot(data: bytes | memoryview) -> Slot | None:
    """Return what a slot's bytes tell; None for one that is free or never was whole."""
    view = memoryview(data)
    phase = view[PHASE_AT]
    if phase == Phase.FREE:
        return None
    head = _piece(view, HEAD_AT, HEAD)
    if head is None:
        return None
    request_id, admitted_us, tenant_id, project_id, api_key_id, *rest = head
    price_id, input_picos, cached_picos, output_picos, number, surface, streamed = rest
    admission = Admission(
        request_id=UUID(bytes=request_id),
        admitted_at_us=admitted_us,
        # What an event does not say, nothing that is made of a slot needs.
        caller=Caller(tenant_id, project_id, api_key_id, currency=""),
        price=LinearPrice(price_id, "", "", input_picos, cached_picos, output_picos),
        surface=Surface(surface),
        streamed=bool(streamed),
    )
    copies = [_progress(view, at) for at in PROGRESS_AT]
    found = [each for each in copies if each is not None]
    found.sort(key=_version)
    written = [each for each in found if each.version & 0xFF == view[WRITTEN_AT]]
    latency, handling = _latency(view)
    return Slot(
        admission=admission,
        number=number,
        phase=Phase(phase),
        offered=found[-1] if found else None,
        written=written[-1] if written else None,
        committed_us=COMMITTED.unpack_from(view, COMMITTED_AT)[0],
        correction_id=UUID(bytes=bytes(view[CORRECTION_AT : CORRECTION_AT + 16])),
        latency=latency,
        handling=handling,
    )


def _version(progress: Progress) -> int:
    return progress.version


def _progress(view: memoryview, at: int) -> Progress | None:
    piece = _piece(view, at, PROGRESS)
    if piece is None:
        return None
    version, status, counted_by, replica_id, *counts = piece
    *classes, generated, first_token_us, duration_us = counts
    return Progress(
        version=version,
        status=None if status == NO_STATUS else EventStatus(status),
        counted_by=CountedBy(counted_by),
        replica_id=replica_id,
        counts=TokenCounts(*classes),
        generated_tokens=generated,
        first_token_us=None if first_token_us == NO_TIME else first_token_us,
        duration_us=duration_us,
    )


def _latency(view: memoryview) -> tuple[tuple[int | None, ...] | None, Handling]:
    """Return wait, gap, tail and chunks, and what was done, if all of it is whole."""
    handling = b"".join(view[at : at + GAP_BYTES] for at in GAPS_AT)
    chunks = view[CHUNKS_AT : CHUNKS_AT + CHUNKS.size]
    end = LATENCY_AT + LATENCY.size
    (checksum,) = CHECKSUM.unpack_from(view, end)
    if _sum_of(chunks, view[LATENCY_AT:end], handling) != checksum:
        return None, NOT_NOTED
    figures = (*LATENCY.unpack_from(view, LATENCY_AT), *CHUNKS.unpack(chunks))
    found = tuple(None if figure == NO_FIGURE else figure for figure in figures)
    return found, _handling(handling)


def read_slots(data: bytes) -> list[Slot]:
    """Return what the slots of a checkpoint tell."""
    view = memoryview(data)
    starts = range(0, len(data) - SLOT_BYTES + 1, SLOT_BYTES)
    slots = (read_slot(view[at : at + SLOT_BYTES]) for at in starts)
    return [slot for slot in slots if slot is not None]


def _piece(view: memoryview, at: int, layout: struct.Struct) -> tuple[Any, ...] | None:
    """Return a piece's values, if it is whole."""
    end = at + layout.size
    (checksum,) = CHECKSUM.unpack_from(view, end)
    if zlib.crc32(view[at:end]) != checksum:
        return None
    return layout.unpack_from(view, at)
