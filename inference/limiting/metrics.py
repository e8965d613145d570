"""What a limiter counts: plain integers, in the shape of the gateway's metrics page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from kit.histogram import Histogram

# A store on the same host answers in tenths of a millisecond.
TAKE_BOUNDS_US = (
    *(100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 7_500, 10_000),
    *(15_000, 20_000, 25_000, 50_000, 100_000, 250_000, 1_000_000),
)

Readings = Mapping[str, tuple[str, Callable[[], float]]]


@dataclass(slots=True)
class LimiterMetrics:
    """Counts of one process."""

    allowed: int = 0
    ahead: int = 0
    refused: int = 0
    fallbacks: int = 0
    failures: int = 0
    unsaid: int = 0
    is_open: bool = False
    take: Histogram = field(default_factory=lambda: Histogram(TAKE_BOUNDS_US))

    @property
    def gauges(self) -> Readings:
        """Return what is so at the scrape."""
        return {
            "tollgate_limits_breaker_open": (
                "1 while this process limits by its share, without the store.",
                lambda: float(self.is_open),
            ),
        }

    @property
    def counters(self) -> Readings:
        """Return what has happened so often."""
        return {
            "tollgate_limits_allowed": (
                "Requests that all rate limits let pass.",
                lambda: self.allowed,
            ),
            "tollgate_limits_ahead": (
                "Of those, requests that passed by what was taken ahead.",
                lambda: self.ahead,
            ),
            "tollgate_limits_refused": (
                "Requests that a rate limit refused.",
                lambda: self.refused,
            ),
            "tollgate_limits_fallbacks": (
                "Requests decided by this process's share.",
                lambda: self.fallbacks,
            ),
            "tollgate_limits_failures": (
                "Requests that the store did not decide in time.",
                lambda: self.failures,
            ),
            "tollgate_limits_unsaid": (
                "Corrections that did not reach the store.",
                lambda: self.unsaid,
            ),
        }

    @property
    def histograms(self) -> Mapping[str, tuple[str, Histogram]]:
        """Return how long things took."""
        return {
            "tollgate_limits_take_seconds": (
                "How long the store took to decide.",
                self.take,
            )
        }
