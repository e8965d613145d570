"""A slot's bytes: all that went in comes out, a torn write is the old or the new."""

import itertools
import zlib
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.contracts import (
    Admission,
    CountedBy,
    EventStatus,
    Outcome,
    TokenCounts,
)
from kit.handling import ATTEMPTS_MAX, HELD_TOKENS_MAX, Handling, Keyed, handled
from kit.latency import Latency
from metering.intake.journal import Entry, Journal
from metering.intake.slots import (
    CHUNKS,
    CHUNKS_AT,
    COMMITTED_AT,
    CORRECTION_AT,
    FIGURE_MAX,
    GAP_BYTES,
    GAPS_AT,
    HANDLING,
    HEAD,
    HEAD_AT,
    LATENCY,
    LATENCY_AT,
    NO_STATUS,
    NO_TIME,
    PHASE_AT,
    PROGRESS,
    PROGRESS_AT,
    SLOT_BYTES,
    WRITTEN_AT,
    Phase,
    Progress,
    Slot,
    checked,
    head_bytes,
    latency_bytes,
    outcome_of,
    progress_bytes,
    read_slot,
    read_slots,
)
from tests.metering.intake.journalled import (
    ADMISSIONS,
    COUNTS,
    OUTCOMES,
    UUIDS,
    admission,
    journal,
    outcome,
    slot_of,
    states,
    told,
    torn,
)

NUMBERS = st.integers(1, (1 << 63) - 1)
VERSIONS = st.integers(0, (1 << 32) - 1)


def laid_out(
    *,
    phase: int = Phase.RUNNING,
    head: bytes = b"",
    copies: tuple[bytes, bytes] = (b"", b""),
    written: int = 0,
) -> bytearray:
    """Put a slot together from its pieces."""
    data = bytearray(SLOT_BYTES)
    head = head or head_bytes(admission(), 1)
    data[HEAD_AT : HEAD_AT + len(head)] = head
    for at, copy in zip(PROGRESS_AT, copies, strict=True):
        data[at : at + len(copy)] = copy
    data[PHASE_AT], data[WRITTEN_AT] = phase, written
    return data


def progress(version: int, output_tokens: int, status: int = NO_STATUS) -> bytes:
    """Lay out a progress of so many tokens."""
    counts = TokenCounts(output_tokens=output_tokens)
    return progress_bytes(version, counts, 0, 0, None, 0, CountedBy.ENGINE, status)


def read(data: bytes | bytearray) -> Slot:
    """Read a slot that is not free."""
    slot = read_slot(bytes(data))
    assert slot is not None
    return slot


def test_no_two_pieces_overlap() -> None:
    """Nor does a single value cross a word: a torn word would tear it."""
    ends = sorted(
        [
            (HEAD_AT, HEAD_AT + HEAD.size + 4),
            *((at, at + PROGRESS.size + 4) for at in PROGRESS_AT),
            (PHASE_AT, PHASE_AT + 1),
            (WRITTEN_AT, WRITTEN_AT + 1),
            (COMMITTED_AT, COMMITTED_AT + 8),
            (CORRECTION_AT, CORRECTION_AT + 16),
            (CHUNKS_AT, CHUNKS_AT + CHUNKS.size),
            (LATENCY_AT, LATENCY_AT + LATENCY.size + 4),
            *((at, at + GAP_BYTES) for at in GAPS_AT),
        ]
    )
    for (_, end), (start, _) in itertools.pairwise(ends):
        assert end <= start
    assert ends[-1][1] <= SLOT_BYTES
    assert COMMITTED_AT % 8 == 0
    # Journals and checkpoints of one version are read by the next.
    assert (SLOT_BYTES, HEAD.size, PROGRESS.size) == (256, 90, 50)
    assert PROGRESS_AT == (96, 152)
    assert (PHASE_AT, WRITTEN_AT, COMMITTED_AT, CORRECTION_AT) == (208, 209, 216, 224)
    assert (CHUNKS_AT, LATENCY_AT) == (212, 240)
    assert GAPS_AT == (94, 150, 206, 210)
    assert len(GAPS_AT) * GAP_BYTES == HANDLING.size


def test_stored_values_keep_their_meaning() -> None:
    assert [phase.name for phase in sorted(Phase)] == [
        "FREE",
        "RUNNING",
        "DUE",
        "BEGUN",
        "ENDED",
        "RETURNED",
        "ANNULLED",
        "VOIDED",
    ]
    assert (Phase.FREE, Phase.VOIDED, NO_STATUS, NO_TIME) == (0, 7, 255, -1)
    assert NO_STATUS not in set(EventStatus)


@given(ADMISSIONS, NUMBERS)
def test_an_admission_comes_out_as_it_went_in(given: Admission, number: int) -> None:
    slot = read(laid_out(head=head_bytes(given, number)))
    assert (slot.admission, slot.number) == (given, number)
    assert (slot.phase, slot.offered, slot.written) == (Phase.RUNNING, None, None)
    assert (slot.committed_us, slot.correction_id) == (0, UUID(int=0))
    assert slot.outcome is None


@given(OUTCOMES, VERSIONS, st.booleans())
def test_progress_comes_out_as_it_went_in(
    given: Outcome, version: int, has_ended: bool
) -> None:
    piece = progress_bytes(
        version,
        given.counts,
        given.generated_tokens,
        given.replica_id,
        given.first_token_us,
        given.duration_us,
        given.counted_by,
        *([given.status] if has_ended else []),
    )
    copies = (b"", piece) if version & 1 else (piece, b"")
    slot = read(laid_out(copies=copies, written=version & 0xFF))
    assert (
        slot.offered
        == slot.written
        == Progress(
            version,
            given.status if has_ended else None,
            given.counted_by,
            given.replica_id,
            given.counts,
            given.generated_tokens,
            given.first_token_us,
            given.duration_us,
        )
    )
    assert slot.outcome == (given if has_ended else None)


FIGURES = st.none() | st.integers(0, FIGURE_MAX)


def ended(given: Outcome) -> bytearray:
    """Lay out a slot of a request that ended so."""
    piece = progress_bytes(
        1,
        given.counts,
        given.generated_tokens,
        given.replica_id,
        given.first_token_us,
        given.duration_us,
        given.counted_by,
        given.status,
    )
    data = laid_out(copies=(b"", piece))
    chunks, rest, handling = latency_bytes(given)
    data[CHUNKS_AT : CHUNKS_AT + len(chunks)] = chunks
    data[LATENCY_AT : LATENCY_AT + len(rest)] = rest
    for at in GAPS_AT:
        data[at : at + GAP_BYTES] = handling[:GAP_BYTES]
        handling = handling[GAP_BYTES:]
    return data


@given(OUTCOMES, FIGURES, FIGURES, FIGURES, FIGURES)
def test_a_latency_comes_out_as_it_went_in(
    given: Outcome,
    queue_us: int | None,
    tail_us: int | None,
    chunks: int | None,
    gap_max_us: int | None,
) -> None:
    last_us = None if tail_us is None else given.duration_us - tail_us
    timed = replace(given, latency=Latency(queue_us, last_us, chunks, gap_max_us))
    assert read(ended(timed)).outcome == timed


def test_a_latency_that_is_too_long_is_cut_and_one_that_is_torn_unknown() -> None:
    hours = 10**11
    given = replace(outcome(1), duration_us=hours, latency=Latency(hours, 0, 3, -1))
    data = ended(given)
    found = read(data).outcome
    assert found is not None
    assert found.latency == Latency(FIGURE_MAX, hours - FIGURE_MAX, 3, 0)
    assert found.handling == given.handling
    gaps = [at + each for at in GAPS_AT for each in range(GAP_BYTES)]
    chunks, rest = range(CHUNKS_AT, CHUNKS_AT + 4), range(LATENCY_AT, SLOT_BYTES)
    for at in (*chunks, *rest, *gaps):
        torn_one = bytearray(data)
        torn_one[at] ^= 1
        unknown = replace(given, latency=Latency(), handling=Handling())
        assert read(torn_one).outcome == unknown


@given(
    OUTCOMES,
    st.integers(0, ATTEMPTS_MAX),
    st.integers(0, HELD_TOKENS_MAX),
    st.integers(0, HELD_TOKENS_MAX),
    st.sampled_from(Keyed),
)
def test_a_handling_comes_out_as_it_went_in(
    given: Outcome, attempts: int, held_input: int, held_output: int, keyed: Keyed
) -> None:
    noted = Handling(attempts, held_input, held_output, keyed)
    assert read(ended(replace(given, handling=noted))).outcome == replace(
        given, handling=noted
    )


def test_what_was_done_beyond_all_measure_is_the_most_that_is_kept() -> None:
    most = handled(10**6, (10**12, 10**13), Keyed.RETRY)
    wanted = Handling(ATTEMPTS_MAX, HELD_TOKENS_MAX, HELD_TOKENS_MAX, Keyed.RETRY)
    assert most == wanted
    found = read(ended(replace(outcome(1), handling=most))).outcome
    assert found is not None
    assert found.handling == most


def test_a_slot_of_the_version_before_is_read_without_a_handling() -> None:
    given = replace(outcome(1), handling=Handling())
    data = ended(given)
    # Its gaps are empty, and its checksum is of chunks and times alone.
    assert not any(data[at + each] for at in GAPS_AT for each in range(GAP_BYTES))
    times = zlib.crc32(
        data[LATENCY_AT:252], zlib.crc32(data[CHUNKS_AT : CHUNKS_AT + 4])
    )
    assert data[252:] == times.to_bytes(4, "little")
    assert read(data).outcome == given


def test_of_a_killed_request_the_last_piece_tells_when_its_last_token_was() -> None:
    for tokens, last_us in ((0, None), (5, 77)):
        counts = TokenCounts(output_tokens=tokens)
        piece = progress_bytes(1, counts, 0, 0, None, 77, CountedBy.ENGINE)
        slot = read(laid_out(copies=(b"", piece)))
        assert slot.offered is not None
        killed = outcome_of(slot.offered, EventStatus.DRAINED)
        assert killed.latency == Latency(last_token_us=last_us)


@given(UUIDS, NUMBERS, st.sampled_from(list(Phase)[1:]))
def test_single_values_come_out_as_they_went_in(
    correction_id: UUID, committed_us: int, phase: Phase
) -> None:
    data = laid_out(phase=phase)
    data[COMMITTED_AT : COMMITTED_AT + 8] = committed_us.to_bytes(8, "little")
    data[CORRECTION_AT : CORRECTION_AT + 16] = correction_id.bytes
    slot = read(data)
    assert (slot.phase, slot.committed_us) == (phase, committed_us)
    assert slot.correction_id == correction_id


def test_the_newest_progress_is_offered_and_the_byte_names_what_is_written() -> None:
    older, newer = progress(3, 30), progress(5, 50)
    between = progress(4, 40)
    for copies, offered_version in (((between, older), 4), ((between, newer), 5)):
        for version in (3, 4, 5):
            slot = read(laid_out(copies=copies, written=version))
            assert slot.offered is not None
            assert slot.offered.version == offered_version
            if version in {4, 3 if offered_version == 4 else 5}:
                assert slot.written is not None
                assert slot.written.version == version
                assert slot.written.counts.output_tokens == version * 10
            else:
                assert slot.written is None


def test_versions_are_told_apart_past_a_byte() -> None:
    copies = (progress(256, 1), progress(257, 2))
    assert read(laid_out(copies=copies, written=1)).written is not None
    written = read(laid_out(copies=copies, written=0)).written
    assert written is not None
    assert written.version == 256


def test_a_slot_that_is_free_or_not_whole_does_not_exist() -> None:
    assert read_slot(bytes(SLOT_BYTES)) is None
    assert read_slot(bytes(laid_out(phase=Phase.FREE))) is None
    whole = laid_out(copies=(progress(2, 20), progress(1, 10)))
    for at in range(HEAD.size + 4):
        data = bytearray(whole)
        data[at] ^= 1
        assert read_slot(bytes(data)) is None
    for at in range(PROGRESS_AT[0], PROGRESS_AT[0] + PROGRESS.size + 4):
        data = bytearray(whole)
        data[at] ^= 1
        # The piece before it is as it was.
        assert (
            read(data).offered == read(laid_out(copies=(b"", progress(1, 10)))).offered
        )


def test_a_running_request_has_no_outcome_but_what_it_is_given() -> None:
    slot = read(laid_out(copies=(b"", progress(1, 10))))
    assert slot.offered is not None
    with pytest.raises(ValueError, match="running"):
        outcome_of(slot.offered)
    ended = outcome_of(slot.offered, EventStatus.DRAINED)
    assert ended.status is EventStatus.DRAINED
    assert ended.counts.output_tokens == 10
    # OK is zero, and still a status.
    ended = outcome_of(read(laid_out(copies=(b"", progress(1, 0, 0)))).offered)  # type: ignore[arg-type]
    assert ended.status is EventStatus.OK


@given(st.lists(st.tuples(ADMISSIONS, COUNTS, st.booleans()), max_size=4), st.data())
def test_a_checkpoint_is_its_slots(
    running: list[tuple[Admission, TokenCounts, bool]], data: st.DataObject
) -> None:
    made = journal(slots=4)
    told_by_process = []
    for one, counts, is_written in running:
        entry = made.open(one)
        entry.offered(counts, replica_id=1, first_token_us=None)
        if is_written:
            entry.written()
        told_by_process.append((one, counts, counts if is_written else None))
    # An admission that came twice has one slot, the last: ids are unique elsewhere.
    wanted = {one.request_id: (one, *rest) for one, *rest in told_by_process}
    kept = made.checkpoint()
    assert len(kept) == len(wanted) * SLOT_BYTES
    found = {
        slot.admission.request_id: (
            slot.admission,
            slot.offered and slot.offered.counts,
            slot.written and slot.written.counts,
        )
        for slot in read_slots(kept)
    }
    assert found == wanted
    # One that was cut short is all that is whole of it.
    cut = data.draw(st.integers(0, len(kept)))
    assert len(read_slots(kept[:cut])) == cut // SLOT_BYTES
    made.close()


WAYS: dict[str, Callable[[Entry], object]] = {
    "offered": lambda entry: entry.offered(
        TokenCounts(31, 32, 33, 34), replica_id=35, first_token_us=36
    ),
    "written": lambda entry: offered(entry, 1),
    "ended": lambda entry: entry.ended(outcome(40), is_due=False),
    "due": lambda entry: entry.ended(outcome(40), is_due=True),
    "returned": lambda entry: entry.given_back(UUID(int=7 << 100), prompt_too=False),
    "annulled": lambda entry: entry.given_back(UUID(int=7 << 100), prompt_too=True),
    "void": lambda entry: entry.void(),
}


def offered(entry: Entry, times: int) -> None:
    """Offer, and write, so many pieces."""
    for tokens in range(1, times + 1):
        counts = TokenCounts(1, 2, tokens, 3)
        entry.offered(counts, replica_id=4, first_token_us=None)
        entry.written()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("before", [0, 1, 2, 3])
def test_every_part_of_a_write_reads_as_the_old_or_the_new(
    way: str, before: int
) -> None:
    made = journal()
    entry = made.open(admission())
    offered(entry, before)
    stored = states(made, lambda: WAYS[way](entry))
    assert len(stored) > 1
    for old, new in itertools.pairwise(stored):
        sides = [told(slot_of(old)), told(slot_of(new))]
        for data in torn(old, new):
            assert told(slot_of(data)) in sides
    made.close()


@pytest.mark.parametrize("way", ["ended", "annulled", "void"])
def test_a_slot_that_is_taken_again_shows_nothing_of_its_last_owner(way: str) -> None:
    made = journal(slots=1)
    entry = made.open(admission(1))
    offered(entry, 300)
    if way != "void":
        entry.ended(outcome(9), is_due=way == "annulled")
        entry.committed()
    if way != "ended":
        WAYS[way](entry)
        if way == "annulled":
            entry.committed()
    last = told(slot_of(bytes(made.file.map)))
    stored = states(made, lambda: made.open(admission(2)))
    fresh = (admission(2), 2, Phase.RUNNING, None, None, None, None, None)
    for old, new in itertools.pairwise(stored):
        for data in torn(old, new):
            assert told(slot_of(data)) in {last, None, fresh}
    slot = slot_of(stored[-1])
    assert told(slot) == fresh
    assert slot is not None
    assert (slot.committed_us, slot.correction_id) == (0, UUID(int=0))
    made.close()


def test_a_checksum_is_of_the_whole_piece() -> None:
    assert checked(b"") == bytes(4)
    assert checked(b"tollgate") != checked(b"tollgatE")
    assert len(checked(b"tollgate")) == 12


def test_a_checkpoint_is_of_what_is_not_settled() -> None:
    made: Journal = journal(slots=4)
    entries = [made.open(admission(number)) for number in (1, 2, 3)]
    entries[0].ended(outcome(1), is_due=False)
    entries[1].void()
    found = [slot.admission.request_id.int for slot in read_slots(made.checkpoint())]
    assert found == [1, 3]
    entries[0].committed()
    found = [slot.admission.request_id.int for slot in read_slots(made.checkpoint())]
    assert found == [3]
    made.close()


def test_what_no_version_writes_of_a_handling_is_nothing_noted() -> None:
    given = outcome(1)
    data = ended(replace(given, handling=handled(1, (5, 5), Keyed.NONE)))
    # Something was held, and nothing is said of a key.
    handling = (7).to_bytes(8, "little")
    for number, at in enumerate(GAPS_AT):
        data[at : at + GAP_BYTES] = handling[number * GAP_BYTES :][:GAP_BYTES]
    times = zlib.crc32(
        data[LATENCY_AT:252], zlib.crc32(data[CHUNKS_AT : CHUNKS_AT + 4])
    )
    data[252:] = zlib.crc32(handling, times).to_bytes(4, "little")
    assert read(data).outcome == replace(given, handling=Handling())
