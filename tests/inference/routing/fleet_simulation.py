"""Conversations on a fleet of simulated replicas, by the real routing code.

Prompts are computed by the simulator's own prefix cache; time is simulated, so that a
run takes a second. Gateways know of others' requests what engines' gauges tell.
"""

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from inference.engines.simulator.prefix_cache import BLOCK_TOKENS, PrefixCache
from inference.openai.prompt_text import prompt_text
from inference.routing.fleet import Fleet, Place
from inference.routing.health import ReplicaHealth
from inference.routing.router import RouteAsk, Router
from inference.routing.serving import Policy
from inference.routing.snapshot import ReplicaEntry, Snapshot
from inference.scheduling.shares import WholeShares
from tests.inference.openai.chats import chat
from tests.inference.routing.conversations import Talk, Talks, begun

MODEL = "m"
PREFILL_S = 0.0002
DECODE_S = 0.02


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is said, and what serves it.

    Each replica caches `cache_part` of all that is different in all prompts.
    """

    talks: Talks
    replicas: int = 4
    slots: int = 16
    gateways: int = 1
    cache_part: float = 0.3
    tells_cached: bool = True


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    prompt_tokens: int = 0
    computed_tokens: int = 0
    requests: Counter[int] = field(default_factory=Counter[int])

    @property
    def spread(self) -> float:
        """Return the requests of the busiest replica over those of the mean."""
        return max(self.requests.values()) * len(self.requests) / self.requests.total()


@dataclass(slots=True)
class _Running:
    """A request on its replica."""

    talk: Talk
    place: Place
    prompt_tokens: int
    cached_tokens: int


class _Gauges(ReplicaHealth):
    """Knows what runs on each replica, by whoever sent it."""

    def __init__(self, running: Counter[int]) -> None:
        super().__init__(now=lambda: 0.0)
        self._running = running
        self.own: Callable[[int], int] = lambda replica_id: 0

    def foreign(self, replica: ReplicaEntry) -> int:
        return self._running[replica.id] - self.own(replica.id)


class Simulation:
    """One run of one policy; a router for each gateway."""

    def __init__(self, traffic: Traffic, new_router: Callable[[], Router]) -> None:
        self._traffic = traffic
        self._random = random.Random(traffic.talks.seed)
        self._on_replica: Counter[int] = Counter()
        self._numbers = count(1)
        self._outcome = Outcome()
        snapshot = _snapshot(traffic)
        self._fleets = [
            self._fleet(snapshot, new_router()) for _ in range(traffic.gateways)
        ]
        blocks = int(traffic.talks.different_words * traffic.cache_part) // BLOCK_TOKENS
        self._caches = {each: PrefixCache(blocks=blocks) for each in snapshot.replicas}

    def run(self) -> Outcome:
        """Let all conversations come to their end, in any order."""
        idle = begun(self._traffic.talks, self._random)
        ends: list[tuple[float, int, _Running]] = []
        now = 0.0
        while idle or ends:
            while idle and len(ends) < self._traffic.talks.at_once:
                talk = idle.pop(self._random.randrange(len(idle)))
                running, took_s = self._send(talk)
                heapq.heappush(ends, (now + took_s, next(self._numbers), running))
            now, _, running = heapq.heappop(ends)
            self._end(running)
            if running.talk.turns_left:
                idle.append(running.talk)
        return self._outcome

    def _fleet(self, snapshot: Snapshot, router: Router) -> Fleet:
        gauges = _Gauges(self._on_replica)
        routers = dict.fromkeys(Policy, router)
        fleet = Fleet(snapshot, gauges, WholeShares(), routers)
        gauges.own = fleet.running
        return fleet

    def _send(self, talk: Talk) -> tuple[_Running, float]:
        salt, request = str(talk.tenant), chat(list(talk.messages))
        ask = RouteAsk(MODEL, "", salt, talk.tenant, "", lambda: prompt_text(request))
        fleet = self._random.choice(self._fleets)
        place = fleet.take(ask, UUID(int=next(self._numbers)))
        assert place is not None
        words = " ".join(
            f"{each['role']} {each['content']}" for each in talk.messages
        ).split()
        replica_id = place.replica.id
        cached = self._caches[replica_id].compute(words, salt=salt).cached_tokens
        self._outcome.prompt_tokens += len(words)
        self._outcome.computed_tokens += len(words) - cached
        self._outcome.requests[replica_id] += 1
        self._on_replica[replica_id] += 1
        slower = 1 + self._on_replica[replica_id] / self._traffic.slots
        took_s = (len(words) - cached) * PREFILL_S
        took_s += self._traffic.talks.answer_words * DECODE_S * slower
        took_s *= self._random.uniform(0.5, 1.5)
        return _Running(talk, place, len(words), cached), took_s

    def _end(self, running: _Running) -> None:
        running.place.told(
            prompt_tokens=running.prompt_tokens,
            cached_tokens=running.cached_tokens if self._traffic.tells_cached else 0,
        )
        running.place.free()
        self._on_replica[running.place.replica.id] -= 1
        running.talk.go_on(self._traffic.talks, self._random)


def _snapshot(traffic: Traffic) -> Snapshot:
    snapshot = Snapshot()
    model = {"context_tokens": 2**17, "max_output_tokens": None, "created": 1}
    snapshot.apply("model", MODEL, {**model, "tokenizer": ""})
    for number in range(1, traffic.replicas + 1):
        replica = {
            "model": MODEL,
            "name": f"replica-{number}",
            "url": f"http://127.0.0.1:{number}",
            "dialect": "vllm",
            "upstream_model": MODEL,
            "credential": "",
            "state": "active",
            "slots": traffic.slots,
        }
        snapshot.apply("replica", str(number), replica)
    return snapshot
