"""A request goes where most of its prompt is computed already, unless that is busy.

Engines keep what they have computed of prompts, each for itself: a conversation that
comes back to the same replica costs its last message, and elsewhere all of it. So the
candidates come in this order:

1. those that are not too busy, before those that are. Affinity is bounded by load: too
   busy is what is more than a request above `LOAD_FACTOR` times the candidates' mean,
   and more than `LOAD_SLACK` and a request above the least loaded. A replica that all
   prompts match sheds what it cannot take, and who takes that matches from then on;
2. those that were sent the session's last request. A session is what the client names
   one;
3. those that have more of the prompt than its tools and system prompt, most of it
   first, as far as this process sent it there (`PrefixIndex`);
4. the home of all conversations that begin alike: a replica drawn by a digest of their
   tools and system prompt, or of the first message where these are short. Each gateway
   process draws the same, so that what one has computed the others find. Nobody begins
   at one whose load is above the mean and by `LOAD_SLACK` above the least: room is kept
   there for those who have begun;
5. those that have half of the prompt or more, most of it first;
6. those with the least to do, of these the ones with the coldest cache, by turns.

A prompt of less than `FIRST_MARK` bytes goes by load alone. Owns: the index.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from inference.openai.prompt_text import opening_of
from inference.routing.least_loaded import LeastLoaded
from inference.routing.prefix_index import (
    FIRST_MARK,
    PrefixIndex,
    Sent,
    Trail,
    trail_of,
)
from inference.routing.router import Candidate, RouteAsk
from inference.routing.snapshot import ReplicaEntry

LOAD_FACTOR = 1.25
LOAD_SLACK = 0.2
# System prompts of one kind differ at their end, by a customer's name or the day.
_TOLD_APART_BYTES = 2048


@dataclass(slots=True)
class _Memo:
    """What is worked out of a request once: it may be ordered, sent and sent again."""

    trail: Trail
    # The mark of its session; none where the client names none.
    session: tuple[int, ...]
    shared_bytes: int
    # What tells it from conversations that begin otherwise.
    beginning: bytes
    sent: dict[int, Sent] = field(default_factory=dict[int, Sent])


class _Knowledge(NamedTuple):
    """What a replica has of a request's conversation: bytes, as far as they count."""

    follows: bool
    history: int
    matched: int

    @property
    def is_its_own(self) -> bool:
        """Tell whether it was there before."""
        return self.follows or self.history > 0


class _Bounds(NamedTuple):
    """What load allows among some candidates."""

    least: float
    mean: float

    @classmethod
    def of(cls, ordered: Sequence[Candidate]) -> "_Bounds":
        """Return the bounds of candidates, the least loaded first."""
        return cls(ordered[0].load, sum(each.load for each in ordered) / len(ordered))

    def may_stay(self, candidate: Candidate) -> bool:
        """Tell whether a replica may be sent what it knows."""
        replica = candidate.replica
        one = 100 / (replica.slots * replica.weight)
        slack = max(LOAD_SLACK, one)
        return candidate.load <= max(LOAD_FACTOR * self.mean + one, self.least + slack)

    def may_begin(self, candidate: Candidate) -> bool:
        """Tell whether a replica may be sent what is to be known there from now on."""
        return candidate.load <= max(self.mean, self.least + LOAD_SLACK)


class PrefixAware:
    """Each request goes where its prompt's beginning is, within what load allows."""

    def __init__(self, index: PrefixIndex | None = None) -> None:
        """Start with an index that knows nothing, or with a given one."""
        self._index = PrefixIndex() if index is None else index
        self._others = LeastLoaded()

    def order(
        self, ask: RouteAsk, candidates: Sequence[Candidate]
    ) -> Sequence[Candidate]:
        """Return the candidates as the module says."""
        if len(candidates) < 2:
            return candidates
        ordered = self._others.order(ask, candidates)
        memo = _memo_of(ask)
        if not memo.trail.marks and not memo.session:
            return ordered
        bounds = _Bounds.of(ordered)
        calm = [each for each in ordered if bounds.may_stay(each)]
        busy = [each for each in ordered if not bounds.may_stay(each)]
        knowledge = {each.replica.id: self._known(memo, each) for each in calm}
        home: Candidate | None = None
        if not any(known.is_its_own for known in knowledge.values()):
            home = _home(ask, memo, candidates)
            home = home if home is not None and bounds.may_begin(home) else None

        def rank(each: Candidate) -> tuple[bool, int, bool, int, float, int]:
            known = knowledge[each.replica.id]
            return (
                not known.follows,
                -known.history,
                each is not home,
                -known.matched,
                each.load,
                self._index.size(each.replica.id),
            )

        return [*sorted(calm, key=rank), *busy]

    def sent(self, ask: RouteAsk, replica_id: int) -> None:
        """Learn that a replica computes this prompt now."""
        memo = _memo_of(ask)
        if memo.trail.marks or memo.session:
            memo.sent[replica_id] = self._index.sent(
                replica_id, memo.trail, *memo.session
            )

    def answered(
        self, ask: RouteAsk, replica_id: int, *, prompt_tokens: int, cached_tokens: int
    ) -> None:
        """Learn how much of the prompt the engine found in its cache."""
        memo = ask.memo
        if isinstance(memo, _Memo) and replica_id in memo.sent:
            self._index.answered(
                replica_id,
                memo.trail,
                memo.sent[replica_id],
                prompt_tokens=prompt_tokens,
                cached_tokens=cached_tokens,
            )

    def forget(self, replica_id: int) -> None:
        """Learn that a replica has started anew: its cache is empty."""
        self._index.forget(replica_id)
        self._others.forget(replica_id)

    def _known(self, memo: _Memo, candidate: Candidate) -> _Knowledge:
        index, replica_id = self._index, candidate.replica.id
        matched = index.matched_bytes(replica_id, memo.trail)
        return _Knowledge(
            follows=any(index.has(replica_id, mark) for mark in memo.session),
            history=matched if matched > memo.shared_bytes else 0,
            matched=matched if 2 * matched >= memo.trail.size else 0,
        )


def _memo_of(ask: RouteAsk) -> _Memo:
    if not isinstance(ask.memo, _Memo):
        prompt = ask.prompt()
        opening = opening_of(prompt)
        # A short one says too little to keep its conversations together for it.
        end = opening.shared if opening.shared >= FIRST_MARK else opening.size
        seed = (ask.model, ask.adapter, _salt(ask))
        ask.memo = _Memo(
            trail=trail_of(prompt, seed),
            session=(hash((seed, "session", ask.session)),) if ask.session else (),
            shared_bytes=opening.shared,
            beginning=prompt[max(0, end - _TOLD_APART_BYTES) : end],
        )
    return ask.memo


def _salt(ask: RouteAsk) -> str:
    """Return whose prompts these are: where engines part no tenants, we do."""
    return ask.cache_salt or str(ask.tenant_id)


def _home(
    ask: RouteAsk, memo: _Memo, candidates: Sequence[Candidate]
) -> Candidate | None:
    """Return a conversation's home; None for one too short to need any."""
    if not memo.trail.marks:
        return None
    seed = f"{ask.model}\0{ask.adapter}\0{_salt(ask)}\0".encode()
    digest = int.from_bytes(blake2b(seed + memo.beginning, digest_size=8).digest())
    return max(candidates, key=lambda each: _draw(digest, each.replica))


def _draw(digest: int, replica: ReplicaEntry) -> float:
    """Draw a replica's lot for a conversation: the highest by weight in the long run.

    Without one of the others, the conversations of the rest stay where they were.
    """
    mixed = (digest ^ (replica.id * 0x9E3779B97F4A7C15)) & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ (mixed >> 31)) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
    mixed = (mixed ^ (mixed >> 29)) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
    return replica.weight / -math.log(((mixed >> 12) + 0.5) / 2**52)
