"""What the requests of one simulated engine share: counters, places, cached prompts.

Failure: a request that finds the line of those who wait full is refused, with 503.
"""

from inference.engines.simulator import errors
from inference.engines.simulator.counters import Counters
from inference.engines.simulator.prefix_cache import Prefill, PrefixCache
from inference.engines.simulator.requests import Order, Prompt
from inference.engines.simulator.sequences import SequenceQueue
from inference.engines.simulator.settings import Behaviour


class Engine:
    """One process's engine core; its sizes follow the behaviour at once."""

    __slots__ = ("cache", "counters", "queue")

    def __init__(self, behaviour: Behaviour, *, started_at: float) -> None:
        """Start idle."""
        self.counters = Counters(started_at=started_at)
        self.queue = SequenceQueue(self.counters, places=behaviour.sequences_max)
        self.cache = PrefixCache(blocks=behaviour.prefix_cache_blocks)

    def follow(self, behaviour: Behaviour) -> None:
        """Take the sizes of a changed behaviour."""
        self.queue.resize(behaviour.sequences_max)
        self.cache.resize(behaviour.prefix_cache_blocks)

    def prefill(self, prompt: Prompt, *, salt: str | None) -> Prefill:
        """Compute a prompt, as far as the cache does not hold it."""
        prefill = self.cache.compute(prompt, salt=salt)
        if self.cache.blocks:
            self.counters.cache_queries += len(prompt)
            self.counters.cache_hits += prefill.cached_tokens
        return prefill

    def check_room(self, order: Order, behaviour: Behaviour) -> None:
        """Refuse a request that would make the line longer than it may be."""
        if not behaviour.waiting_max:
            return
        waiting = self.counters.waiting_sequences
        waiting += self.queue.would_wait(len(order.choices))
        if waiting > behaviour.waiting_max:
            self.counters.rejected += 1
            raise errors.busy()
