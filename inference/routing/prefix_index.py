"""Which replica has computed how much of which prompt: a guess that learns.

A prompt is known by marks: digests of its beginning, each chained to the one before and
all to a seed, so that what differs in its seed matches nowhere. Marks stand at fixed
places, 64 bytes (about the 16 tokens of an engine's block) apart at first, further the
longer the prompt: an eighth of what is before at most. So the longest prompts have a
hundred, and what is common is found to an eighth. Digests are Python's own: four times
as fast as blake2b, salted by process, and no one else's business.

A replica keeps its marks as an engine keeps blocks: those used least recently go first,
and of one prompt the later ones before the earlier. Where an engine says it had much
less than was believed, it has let go of what is at least as old; so are these marks
then, an eighth of them at most, as one prompt may mislead. An engine that has not once
told of cached tokens is one that never does, and is believed to have them.

Bound: `MARKS_MAX` marks in all, of about 130 bytes each: 33 MB. Beyond that the replica
with the most gives some up. A prompt of 2 kB has 20 marks, of 20 kB 46, of 400 kB 81;
what conversations share is marked once. Owns: the marks. One loop: no locks.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import accumulate, count, repeat
from typing import NamedTuple

MARKS_MAX = 262_144
# What is shorter is computed as soon as looked for.
FIRST_MARK = 256
_STEP = 64
_STEPS_EACH_SIZE = 8
# Twice as far each time: far beyond any body that is taken.
_SIZES = 20
# How many tokens an engine must have missed for it to be held against what it was
# believed to have: templates, block sizes and estimates differ by less.
_MISSED_TOKENS = 256
_DROPPED_PART = 8


def _places() -> list[int]:
    steps = [_STEP] * (_STEPS_EACH_SIZE - FIRST_MARK // _STEP)
    for size in range(_SIZES):
        steps += repeat(_STEP << size, _STEPS_EACH_SIZE)
    return list(accumulate(steps, initial=FIRST_MARK))


PLACES = _places()


class Trail(NamedTuple):
    """The marks of one prompt, from its beginning on, and its size in bytes."""

    marks: tuple[int, ...]
    size: int


def trail_of(prompt: bytes, seed: Hashable) -> Trail:
    """Mark a prompt."""
    marks: list[int] = []
    mark, start = hash(seed), 0
    for end in PLACES[: bisect_right(PLACES, len(prompt))]:
        mark = hash((mark, prompt[start:end]))
        marks.append(mark)
        start = end
    return Trail(tuple(marks), len(prompt))


@dataclass(slots=True)
class _Use:
    """One request's use of its marks: when, and whether its prompt is computed."""

    tick: int
    is_computed: bool = False


@dataclass(slots=True)
class _Known:
    """What is known of one replica: its marks, and their last use."""

    # Least recently used first.
    uses: OrderedDict[int, _Use] = field(default_factory=OrderedDict[int, _Use])
    has_told: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """What was believed of a replica when it was sent a prompt, and this use of it."""

    use: _Use
    believed_bytes: int
    # When what was believed was last used.
    since: int


class PrefixIndex:
    """Marks by replica."""

    def __init__(self, *, marks_max: int = MARKS_MAX) -> None:
        """Start knowing nothing."""
        self._marks_max = marks_max
        self._known: dict[int, _Known] = {}
        self._held = 0
        self._ticks = count(1)

    def __len__(self) -> int:
        """Return how many marks are held."""
        return self._held

    def size(self, replica_id: int) -> int:
        """Return how many marks a replica has."""
        known = self._known.get(replica_id)
        return 0 if known is None else len(known.uses)

    def has(self, replica_id: int, mark: int) -> bool:
        """Tell whether a replica has a mark."""
        known = self._known.get(replica_id)
        return known is not None and mark in known.uses

    def matched_bytes(self, replica_id: int, trail: Trail) -> int:
        """Return how much of a prompt's beginning a replica has, as far as we know."""
        known = self._known.get(replica_id)
        found = 0 if known is None else _found(known, trail)
        return PLACES[found - 1] if found else 0

    def sent(self, replica_id: int, trail: Trail, *more: int) -> Sent:
        """Note that a replica computes a prompt now, and `more` marks with it."""
        known = self._known.setdefault(replica_id, _Known())
        believed, since = 0, 0
        if found := _found(known, trail):
            last = known.uses[trail.marks[found - 1]]
            # What is only being computed cannot have been found.
            if last.is_computed:
                believed, since = PLACES[found - 1], last.tick
        use = _Use(next(self._ticks))
        self._held -= len(known.uses)
        for mark in (*reversed(trail.marks), *more):
            known.uses[mark] = use
            known.uses.move_to_end(mark)
        self._held += len(known.uses)
        self._evict()
        return Sent(use, believed, since)

    def answered(
        self,
        replica_id: int,
        trail: Trail,
        sent: Sent,
        *,
        prompt_tokens: int,
        cached_tokens: int,
    ) -> None:
        """Hold what an engine had against what it was believed to have."""
        sent.use.is_computed = True
        known = self._known.get(replica_id)
        if known is None:
            return
        known.has_told |= cached_tokens > 0
        believed_tokens = prompt_tokens * sent.believed_bytes // max(trail.size, 1)
        missed = believed_tokens - cached_tokens
        if known.has_told and missed > max(_MISSED_TOKENS, cached_tokens):
            self._held -= _dropped(known, sent.since)

    def forget(self, replica_id: int) -> None:
        """Drop all marks of a replica, and whether it tells of cached tokens."""
        known = self._known.pop(replica_id, None)
        self._held -= 0 if known is None else len(known.uses)

    def _evict(self) -> None:
        while self._held > self._marks_max:
            fullest = max(self._known.values(), key=lambda known: len(known.uses))
            fullest.uses.popitem(last=False)
            self._held -= 1


def _found(known: _Known, trail: Trail) -> int:
    """Return how many of a prompt's marks a replica has, from the first one on.

    Later ones go before earlier ones, so none is missing among those that are there.
    """
    low, high = 0, len(trail.marks)
    while low < high:
        middle = (low + high) // 2
        if trail.marks[middle] in known.uses:
            low = middle + 1
        else:
            high = middle
    return low


def _dropped(known: _Known, until: int) -> int:
    """Drop marks that were last used up to a time, not too many, and say how many."""
    most = max(len(known.uses) // _DROPPED_PART, 1)
    for number in range(most):
        if next(iter(known.uses.values())).tick > until:
            return number
        known.uses.popitem(last=False)
    return most
