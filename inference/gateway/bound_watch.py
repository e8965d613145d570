"""Count the prompts that turned out longer than their bound.

It says that a model's factors are wrong: its engine or its template changed behind the
address, or a text is worse than every probe. The gateway goes on, by extending what is
held; an operator has the model calibrated anew.
"""

from collections import Counter
from dataclasses import dataclass, field

import structlog

EVENT = "prompt_bound_exceeded"

log = structlog.get_logger("tollgate.gateway")


@dataclass(slots=True)
class BoundWatch:
    """Compares what engines report with what was held, and counts by model."""

    exceeded: Counter[str] = field(default_factory=Counter)

    def check(self, *, model: str, bound: int, reported: int) -> bool:
        """Tell whether a prompt was within its bound; count and log it where not."""
        if reported <= bound:
            return True
        self.exceeded[model] += 1
        log.warning(EVENT, model=model, bound=bound, reported=reported)
        return False

    def total(self) -> int:
        """Return how many there were, for the page of metrics."""
        return self.exceeded.total()
