"""What is said to those whose turn does not come, and when they may ask again.

When is told by how fast turns came lately, never sooner than a second and never later
than a minute. Pure.
"""

import math

from kit.errors import EngineOverloaded, RateLimited

RETRY_S_MIN, RETRY_S_MAX = 1, 60
# Where no turn came for as long as is looked back, nobody knows.
RETRY_S_UNKNOWN = 10
_WINDOW_S = 5.0


class DrainRate:
    """How many turns came a second, over the last ten seconds at most."""

    __slots__ = ("_before", "_began_s", "_count")

    def __init__(self) -> None:
        self._before = self._count = 0
        self._began_s = 0.0

    def note(self, now_s: float) -> None:
        """Count a turn."""
        self._look(now_s)
        self._count += 1

    def retry_s(self, waiting: int, now_s: float) -> int:
        """Return in how many seconds so many who wait will have had their turn."""
        self._look(now_s)
        turns = self._count + self._before
        if not turns:
            return RETRY_S_UNKNOWN
        seconds = now_s - self._began_s + (_WINDOW_S if self._before else 0.0)
        wait_s = math.ceil((waiting + 1) * max(seconds, 0.1) / turns)
        return min(max(wait_s, RETRY_S_MIN), RETRY_S_MAX)

    def _look(self, now_s: float) -> None:
        windows = int((now_s - self._began_s) // _WINDOW_S)
        if windows > 0:
            self._before = self._count if windows == 1 else 0
            self._count = 0
            self._began_s = self._began_s + _WINDOW_S if windows == 1 else now_s


def no_replica(model: str, *, retry_s: int = 5) -> EngineOverloaded:
    """Return the refusal where nobody serves a model."""
    return EngineOverloaded(
        f"No replica of '{model}' is in service. Try again later.",
        headers=_headers(retry_s),
    )


def model_is_full(model: str, *, retry_s: int) -> EngineOverloaded:
    """Return the refusal of who comes when all places in line are taken."""
    return EngineOverloaded(
        f"Too many requests wait for '{model}'. Try again in {retry_s} s.",
        headers=_headers(retry_s),
    )


def turn_came_not(model: str, *, retry_s: int) -> EngineOverloaded:
    """Return the refusal of who has waited for as long as is waited."""
    return EngineOverloaded(
        f"'{model}' has too much to do, and no place was free in time."
        f" Try again in {retry_s} s.",
        headers=_headers(retry_s),
    )


def tenant_has_too_many(model: str, *, retry_s: int) -> RateLimited:
    """Return the refusal of who holds more than its share of the places in line."""
    return RateLimited(
        f"Too many of your requests wait for '{model}'. Try again in {retry_s} s.",
        headers=_headers(retry_s),
    )


def _headers(retry_s: int) -> dict[str, str]:
    return {
        "retry-after": str(retry_s),
        "retry-after-ms": str(retry_s * 1000),
        "x-should-retry": "true",
    }
