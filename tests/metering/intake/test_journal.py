"""The journal of a process: its slots, and its counters after any kill."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest

from kit.clock import boot_us
from metering.intake.journal import Entry, Journal, JournalFullError
from metering.intake.journal_file import (
    ADMITTED_AT,
    COUNTER,
    HEAD_BYTES,
    SUFFIX,
    VOIDED_AT,
    JournalFile,
    JournalHead,
)
from metering.intake.owed import Bills, owed_by
from metering.intake.recovery import kept
from metering.intake.slots import KEPT_US, SLOT_BYTES, Phase, read_slot
from tests.metering.intake.journalled import (
    admission,
    all_left,
    journal,
    outcome,
    slot_of,
)


@pytest.fixture
def made() -> Iterator[Journal]:
    made = journal(slots=3)
    yield made
    made.file.remove()


def places(made: Journal) -> list[int]:
    """Return which slots are free, the next one first."""
    return [(at - HEAD_BYTES) // SLOT_BYTES for at in made.free]


def settled(made: Journal, number: int) -> Entry:
    """Admit a request and commit its end."""
    entry = made.open(admission(number))
    entry.ended(outcome(1), is_due=False)
    entry.committed()
    return entry


# Slots -------------------------------------------------------------------------------


def test_slots_are_taken_again_oldest_first(made: Journal) -> None:
    assert places(made) == [0, 1, 2]
    first, second = made.open(admission(1)), made.open(admission(2))
    assert places(made) == [2]
    second.ended(outcome(1), is_due=False)
    second.committed()
    first.void()
    assert places(made) == [2, 1, 0]
    for number in (3, 4, 5):
        settled(made, number)
    assert places(made) == [2, 1, 0]


def test_what_is_settled_stays_readable_until_its_slot_is_taken(made: Journal) -> None:
    for number in (1, 2, 3):
        settled(made, number)
    found = {slot.admission.request_id.int: slot for slot in made.file.read()}
    assert set(found) == {1, 2, 3}
    assert all(0 < slot.committed_us <= boot_us() for slot in found.values())
    made.open(admission(4))
    assert {slot.admission.request_id.int for slot in made.file.read()} == {2, 3, 4}


def test_a_full_journal_admits_nobody_until_somebody_is_settled(made: Journal) -> None:
    entries = [made.open(admission(number)) for number in (1, 2, 3)]
    for _ in range(2):
        with pytest.raises(JournalFullError):
            made.open(admission(4))
    assert (made.admitted, len(made.entries)) == (3, 3)
    entries[1].ended(outcome(1), is_due=False)
    with pytest.raises(JournalFullError):
        made.open(admission(4))
    entries[1].committed()
    made.open(admission(4))
    assert places(made) == []
    assert [request_id.int for request_id in made.entries] == [1, 3, 4]


def test_a_slot_is_kept_until_nothing_is_owed(made: Journal) -> None:
    """An answer that waits, one that is on its way, one that is given back."""
    entry = made.open(admission(1))
    entry.ended(outcome(1), is_due=True)
    entry.committed()
    assert made.entries
    entry.begun()
    assert made.entries
    entry.given_back(UUID(int=9), prompt_too=False)
    assert made.entries
    entry.committed()
    assert not made.entries
    assert places(made) == [1, 2, 0]

    entry = made.open(admission(2))
    entry.ended(outcome(1), is_due=True)
    entry.begun()
    entry.taken()
    assert made.entries
    entry.committed()
    assert not made.entries
    assert slot_phase(made, 1) is Phase.ENDED


def slot_phase(made: Journal, number: int) -> Phase:
    slot = slot_of(bytes(made.file.map), number)
    assert slot is not None
    return slot.phase


def test_phases_as_a_body_goes_out(made: Journal) -> None:
    entry = made.open(admission(1))
    assert slot_phase(made, 0) is Phase.RUNNING
    # A stream that ends has no body.
    entry.begun()
    assert slot_phase(made, 0) is Phase.RUNNING
    entry.ended(outcome(1), is_due=True)
    assert slot_phase(made, 0) is Phase.DUE
    entry.begun()
    assert slot_phase(made, 0) is Phase.BEGUN
    entry.given_back(UUID(int=9), prompt_too=False)
    assert slot_phase(made, 0) is Phase.RETURNED
    entry.given_back(UUID(int=9), prompt_too=True)
    assert slot_phase(made, 0) is Phase.ANNULLED


def test_the_window_is_the_age_of_the_next_slot(made: Journal) -> None:
    # Never used: as far back as this process goes, not the machine.
    assert 0 <= made.window_us < 10_000_000
    for number in (1, 2, 3):
        settled(made, number)
    assert 0 <= made.window_us < 10_000_000
    for number in (4, 5, 6):
        made.open(admission(number))
    assert made.window_us == 0


def test_durations_count_from_admission(made: Journal) -> None:
    entry = made.open(admission(1))
    began_us = boot_us()
    entry.offered(outcome(3).counts, replica_id=4, first_token_us=5)
    slot = slot_of(bytes(made.file.map))
    assert slot is not None
    assert slot.offered is not None
    assert 0 <= slot.offered.duration_us <= boot_us() - began_us + 1_000_000
    assert (slot.offered.replica_id, slot.offered.first_token_us) == (4, 5)
    assert (slot.offered.version, slot.offered.generated_tokens) == (1, 3)
    assert slot.written is None
    entry.written()
    entry.offered(outcome(4).counts, replica_id=4, first_token_us=None)
    slot = slot_of(bytes(made.file.map))
    assert slot is not None
    assert slot.offered is not None
    assert slot.written is not None
    assert (slot.offered.version, slot.written.version) == (2, 1)
    assert slot.offered.first_token_us is None


# Kills -------------------------------------------------------------------------------


@dataclass
class Life:
    """One process's life in steps, and what of it the database knows."""

    made: Journal
    stored: set[UUID] = field(default_factory=set)
    entries: dict[int, Entry] = field(default_factory=dict)

    def open(self, number: int) -> None:
        """Admit a request."""
        self.entries[number] = self.made.open(admission(number))

    def void(self, number: int) -> None:
        """Forget one."""
        self.entries[number].void()

    def end(self, number: int) -> None:
        """End one."""
        self.entries[number].ended(outcome(7), is_due=False)

    def due(self, number: int) -> None:
        """End one whose body waits."""
        self.entries[number].ended(outcome(7), is_due=True)

    def give_back(self, number: int) -> None:
        """Give one back."""
        self.entries[number].given_back(UUID(int=99), prompt_too=True)

    def store(self, number: int) -> None:
        """Commit one in the database; the journal does not know yet."""
        self.stored.add(self.entries[number].admission.request_id)

    def committed(self, number: int) -> None:
        """Hear of a commit."""
        self.entries[number].committed()


STEPS: tuple[tuple[Callable[[Life, int], None], int], ...] = (
    (Life.open, 1),
    (Life.open, 2),
    (Life.void, 1),
    (Life.open, 3),
    (Life.end, 2),
    (Life.store, 2),
    (Life.committed, 2),
    (Life.open, 4),
    (Life.void, 3),
    (Life.due, 4),
    (Life.store, 4),
    (Life.committed, 4),
    (Life.give_back, 4),
    (Life.committed, 4),
    # From here on slots are used again.
    *((step, number) for number in range(5, 9) for step in (Life.open, Life.void)),
    (Life.open, 9),
)


def head_of(path: Path, data: bytes) -> tuple[JournalHead, JournalFile]:
    """Claim a file of these bytes."""
    path.write_bytes(data)
    found = JournalFile.claim(path)
    assert found is not None
    return found.head(), found


@pytest.mark.parametrize("already", [0, 254, 65_534])
def test_a_kill_anywhere_leaves_counters_that_balance(
    tmp_path: Path, already: int
) -> None:
    """Admitted is what stands, what is owed and what was voided; also past a byte."""
    made = journal(slots=3)
    made.admitted = made.voided = already
    made.count(ADMITTED_AT, already)
    made.count(VOIDED_AT, already)
    made.enter(5, 6, unsettled=0)
    life = Life(made)
    copies = 0
    for step, number in STEPS:
        for data in all_left(made, lambda: step(life, number)):  # noqa: B023
            head, found = head_of(tmp_path / f"copy{SUFFIX}", data)
            slots = kept(found.read())
            owed = owed_by(slots, {}, bills=Bills.OFFERED)
            requests = {event.request_id for event in owed if event.settles}
            assert head.admitted == len(requests | life.stored) + head.voided
            assert 0 <= head.voided <= made.voided - already
            found.remove()
            copies += 1
    assert copies > 500
    assert (made.admitted - already, made.voided - already) == (9, 6)
    made.file.remove()


def test_a_kill_before_a_body_is_due_bills_none_of_it(made: Journal) -> None:
    """Its end is noted before anybody can have any of it."""
    entry = made.open(admission(1))
    for data in all_left(made, lambda: entry.ended(outcome(7), is_due=True)):
        slot = slot_of(data)
        assert slot is not None
        [event] = owed_by([slot], {}, bills=Bills.OFFERED)
        assert event.charge_picos == 0


def test_a_kill_while_an_epoch_is_entered_leaves_the_old_or_the_new(
    tmp_path: Path,
) -> None:
    made = journal()
    made.enter(7, 70, unsettled=0)
    made.open(admission(1))
    made.open(admission(2)).void()
    for epoch_id in (8, 9, 10):
        old = head_of_bytes(tmp_path, bytes(made.file.map))
        left = list(
            all_left(
                made,
                lambda: made.enter(epoch_id, epoch_id * 10, unsettled=1),  # noqa: B023
            )
        )
        new = JournalHead("gateway", epoch_id, epoch_id * 10, 1, 0)
        assert {head_of_bytes(tmp_path, data) for data in left} == {old, new}
        assert (made.epoch_admitted, made.epoch_voided) == (1, 0)
    made.file.remove()


def head_of_bytes(tmp_path: Path, data: bytes) -> JournalHead:
    head, found = head_of(tmp_path / f"copy{SUFFIX}", data)
    found.remove()
    return head


def test_counts_of_an_epoch_begin_with_what_is_not_settled(made: Journal) -> None:
    made.open(admission(1)).void()
    made.open(admission(2))
    made.open(admission(3))
    assert (made.epoch_admitted, made.epoch_voided) == (3, 1)
    made.enter(5, 6, unsettled=2)
    assert (made.epoch_admitted, made.epoch_voided) == (2, 0)
    assert made.file.head() == JournalHead("gateway", 5, 6, 2, 0)


def test_before_the_first_epoch_there_is_none(made: Journal) -> None:
    made.open(admission(1))
    assert made.file.head() == JournalHead("gateway", 0, 0, 1, 0)
    assert COUNTER.unpack_from(made.file.map, ADMITTED_AT) == (1,)


def test_what_is_long_committed_owes_nothing() -> None:
    made = journal(slots=4)
    entries = [settled(made, number) for number in (1, 2, 3)]
    running = made.open(admission(4))
    now_us = 10 * KEPT_US
    for entry, committed_us in zip(
        entries, (now_us, now_us - KEPT_US, now_us - KEPT_US - 1), strict=True
    ):
        COUNTER.pack_into(made.file.map, entry._at + 216, committed_us)
    found = [slot.admission.request_id.int for slot in kept(made.file.read())]
    assert found == [1, 2, 4]
    assert kept([]) == []
    running.void()
    made.close()


def test_closing_leaves_what_is_owed_and_removes_what_is_not() -> None:
    made = journal()
    running = made.open(admission(1))
    made.close()
    assert made.file.path.exists()
    found = JournalFile.claim(made.file.path)
    assert found is not None
    [slot] = found.read()
    assert slot.admission == running.admission
    found.remove()

    made = journal()
    made.open(admission(1)).void()
    made.close()
    assert not made.file.path.exists()


def test_a_slot_begins_after_the_head_and_where_the_one_before_ends() -> None:
    made = journal(slots=2)
    made.open(admission(1))
    made.open(admission(2))
    data = bytes(made.file.map)
    for number in (1, 2):
        at = 4096 + (number - 1) * 256
        slot = read_slot(data[at : at + 256])
        assert slot is not None
        assert slot.admission == admission(number)
        assert slot.number == number
    made.file.sync()
    assert made.file.path.read_bytes() == data
    made.file.remove()


def test_an_end_is_there_before_it_is_committed(made: Journal) -> None:
    """With all that its event will say, and the id of what gives it back."""
    for number, is_due in ((1, False), (2, True)):
        entry = made.open(admission(number))
        entry.offered(outcome(3).counts, replica_id=4, first_token_us=5)
        entry.ended(outcome(7), is_due=is_due)
        slot = slot_of(bytes(made.file.map), number - 1)
        assert slot is not None
        assert slot.outcome == outcome(7)
        assert slot.phase is (Phase.DUE if is_due else Phase.ENDED)
        for prompt_too, phase in ((False, Phase.RETURNED), (True, Phase.ANNULLED)):
            correction_id = UUID(int=number << 100 | prompt_too)
            entry.given_back(correction_id, prompt_too=prompt_too)
            slot = slot_of(bytes(made.file.map), number - 1)
            assert slot is not None
            assert (slot.phase, slot.correction_id) == (phase, correction_id)
            assert slot.outcome == outcome(7)


def test_a_body_that_is_taken_after_its_commit_frees_the_slot(made: Journal) -> None:
    entry = made.open(admission(1))
    entry.ended(outcome(1), is_due=True)
    entry.committed()
    entry.begun()
    entry.taken()
    assert not made.entries
    assert places(made) == [1, 2, 0]
    assert slot_phase(made, 0) is Phase.ENDED
    slot = slot_of(bytes(made.file.map))
    assert slot is not None
    assert slot.committed_us > 0


def test_a_void_leaves_nothing_to_read_and_the_instant_it_was(made: Journal) -> None:
    for number in (1, 2, 3):
        made.open(admission(number)).void()
    assert list(made.file.read()) == []
    assert 0 < made.window_us < 10_000_000
