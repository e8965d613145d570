"""A scheduler over a fleet that a test makes, and a clock that it moves."""

import asyncio
from dataclasses import dataclass, field

from inference.routing.fleet import Fleet
from inference.routing.policies import new_policies
from inference.routing.retry_budget import RetryBudget
from inference.routing.snapshot import ReplicaEntry, Snapshot
from inference.scheduling.scheduler import FairScheduler
from inference.scheduling.shares import Sharing, WholeShares
from tests.inference.routing.always_well import AlwaysWell


class SomeWell(AlwaysWell):
    """Takes all for well but those that a test says are not."""

    def __init__(self) -> None:
        self.down: set[int] = set()

    def is_up(self, replica: ReplicaEntry) -> bool:
        """Look up what the test said."""
        return replica.id not in self.down

    def may_take(self, replica: ReplicaEntry) -> bool:
        """Look up what the test said."""
        return replica.id not in self.down


@dataclass
class World:
    """Replicas of model `m`, with so many slots each, and who waits for them."""

    slots: tuple[int, ...] = (1,)
    shares: Sharing = field(default_factory=WholeShares)
    now_s: float = 1_000.0
    health: SomeWell = field(default_factory=SomeWell)

    def __post_init__(self) -> None:
        self.snapshot = Snapshot()
        self.serve("m")
        for number, slots in enumerate(self.slots, start=1):
            self.replica(number, slots=slots)
        self.fleet = Fleet(self.snapshot, self.health, self.shares, new_policies())
        self.scheduler = FairScheduler(
            self.fleet,
            shares=self.shares,
            retries=RetryBudget(),
            clock=lambda: self.now_s,
        )

    def serve(self, model: str, **body: object) -> None:
        """Publish a model."""
        known = {"context_tokens": 1_000, "max_output_tokens": None, "created": 0}
        self.snapshot.apply("model", model, {**known, **body})

    def replica(self, number: int, *, slots: int, model: str = "m") -> None:
        """Publish a replica."""
        body = {
            "model": model,
            "name": f"r{number}",
            "url": "http://127.0.0.1:1",
            "dialect": "vllm",
            "upstream_model": "",
            "credential": "",
            "state": "active",
            "slots": slots,
        }
        self.snapshot.apply("replica", str(number), body)

    @property
    def running(self) -> int:
        """Return how many requests run."""
        return sum(self.fleet.running(each) for each in self.snapshot.replicas)


async def turns_of_the_loop(times: int = 5) -> None:
    """Let everything that can go on go on."""
    for _ in range(times):
        await asyncio.sleep(0)
