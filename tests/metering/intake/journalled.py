"""What the tests of the journal share: requests, and a process killed anywhere.

A kill leaves a file as it was between two stores, or with a part of one. `states` runs
something of the journal and copies the file after each of its lines; `torn` makes of
two such copies all that a store from one to the other can leave behind.
"""

import itertools
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

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
from kit.handling import Handling, Keyed
from kit.latency import Latency
from metering.intake import journal as journal_module
from metering.intake.journal import Journal
from metering.intake.journal_file import HEAD_BYTES, JournalFile
from metering.intake.slots import SLOT_BYTES, Phase, Slot, read_slot
from tests.journals import journal_folder

_WORD = 8
_LONG = st.integers(-(1 << 63), (1 << 63) - 1)
_INT = st.integers(-(1 << 31), (1 << 31) - 1)
_TIMES = st.integers(0, (1 << 63) - 1)
UUIDS = st.uuids()
COUNTS = st.builds(TokenCounts, _INT, _INT, _INT, _INT)
# As slots keep them: what an event does not say is empty.
ADMISSIONS = st.builds(
    Admission,
    request_id=UUIDS,
    admitted_at_us=_LONG,
    caller=st.builds(Caller, _LONG, _LONG, _LONG, st.just("")),
    price=st.builds(LinearPrice, _LONG, st.just(""), st.just(""), _LONG, _LONG, _LONG),
    surface=st.sampled_from(Surface),
    streamed=st.booleans(),
)
OUTCOMES = st.builds(
    Outcome,
    status=st.sampled_from(EventStatus),
    counts=COUNTS,
    generated_tokens=_INT,
    counted_by=st.sampled_from(CountedBy),
    replica_id=_LONG,
    first_token_us=st.none() | _TIMES,
    duration_us=_LONG,
)


def admission(number: int = 1) -> Admission:
    """Make a request whose every value is its own."""
    return Admission(
        request_id=UUID(int=number),
        admitted_at_us=1_790_000_000_000_000 + number,
        caller=Caller(11, 12, 13, ""),
        price=LinearPrice(14, "", "", 15, 16, 17),
        surface=Surface.COMPLETIONS,
        streamed=True,
    )


def outcome(output_tokens: int, status: EventStatus = EventStatus.OK) -> Outcome:
    """Make an outcome whose every value is its own."""
    return Outcome(
        status=status,
        counts=TokenCounts(21, 22, output_tokens, 23),
        generated_tokens=24,
        counted_by=CountedBy.TOKENIZER,
        replica_id=25,
        first_token_us=26,
        duration_us=27,
        latency=Latency(28, 26, 29, 30),
        handling=Handling(31, 32, 33, Keyed.RETRY),
    )


def journal(*, slots: int = 3, gateway: str = "gateway") -> Journal:
    """Make a small journal in a folder of its own."""
    folder = journal_folder()
    return Journal(JournalFile.create(folder, gateway=gateway, slots=slots))


def slot_of(data: bytes, number: int = 0) -> Slot | None:
    """Read one slot of a journal's bytes."""
    at = HEAD_BYTES + number * SLOT_BYTES
    return read_slot(data[at : at + SLOT_BYTES])


def states(made: Journal, act: Callable[[], object]) -> list[bytes]:
    """Run something, and return the file before it and after each line of the journal.

    No line there stores twice.
    """
    memory = made.file.map
    seen = [bytes(memory)]

    def note() -> None:
        now = bytes(memory)
        if now != seen[-1]:
            seen.append(now)

    def on_line(frame: FrameType, event: str, arg: Any) -> Any:
        note()
        return on_line

    def on_call(frame: FrameType, event: str, arg: Any) -> Any:
        is_ours = frame.f_code.co_filename == journal_module.__file__
        return on_line if is_ours else None

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        act()
    finally:
        sys.settrace(before)
    note()
    return seen


def torn(before: bytes, after: bytes) -> Iterator[bytes]:
    """Return all that a store may leave: byte by byte, word by word, from either end.

    Within a word bytes come in their order at worst: a counter is one store.
    """
    changed = [at for at in range(len(before)) if before[at] != after[at]]
    for order, size in ((changed, 1), (changed, _WORD), (changed[::-1], _WORD)):
        data = bytearray(before)
        yield bytes(data)
        for place, at in enumerate(order):
            data[at] = after[at]
            following = order[place + 1 : place + 2]
            if not following or following[0] // size != at // size:
                yield bytes(data)


def all_left(made: Journal, act: Callable[[], object]) -> Iterator[bytes]:
    """Run something, and return all that a kill during it can leave in the file."""
    seen = states(made, act)
    for before, after in itertools.pairwise(seen):
        yield from torn(before, after)
    yield seen[-1]


def told(slot: Slot | None) -> tuple[object, ...] | None:
    """Return what a slot says; what its phase gives no meaning to is left out."""
    if slot is None:
        return None
    is_given_back = slot.phase in {Phase.RETURNED, Phase.ANNULLED}
    return (
        slot.admission,
        slot.number,
        slot.phase,
        slot.offered,
        slot.written,
        slot.outcome,
        slot.correction_id if is_given_back else None,
        slot.void_number if slot.phase is Phase.VOIDED else None,
    )
