"""Which row is the window of a place at an instant, as far as this process knows.

Windows are found by arithmetic in the database, once; here they are remembered, with
the next one ahead of its time, so that the change of a day or month is not felt.
Failure: none; what is not known is asked for. Owns: what is remembered.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from kit.contracts import BudgetPlace

# Before a window ends the next is opened: each at its own moment of this span.
AHEAD_FROM_US = 45_000_000
AHEAD_TO_US = 10_000_000
# A place that was not asked about for this long is forgotten.
FORGOTTEN_US = 600_000_000


@dataclass(frozen=True, slots=True)
class KnownWindow:
    """A window's row and its instants, half-open, in microseconds since 1970."""

    window_id: int
    starts_us: int
    ends_us: int


@dataclass(slots=True)
class _Known:
    windows: tuple[KnownWindow, ...] = ()
    asked_us: int = 0


@dataclass(slots=True)
class WindowBook:
    """The windows of the places that are in use here."""

    _places: dict[BudgetPlace, _Known] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many places are remembered."""
        return len(self._places)

    def find(self, place: BudgetPlace, *, at_us: int) -> KnownWindow | None:
        """Return the window that an instant falls in, if it is known."""
        known = self._places.get(place)
        if known is None:
            return None
        known.asked_us = at_us
        for window in known.windows:
            if window.starts_us <= at_us < window.ends_us:
                return window
        return None

    def add(self, place: BudgetPlace, window: KnownWindow, *, now_us: int) -> None:
        """Remember a window, and forget those that ended long before it began."""
        known = self._places.setdefault(place, _Known(asked_us=now_us))
        kept = [
            each
            for each in known.windows
            if each.window_id != window.window_id
            and each.ends_us >= window.starts_us
            and each.starts_us <= window.ends_us
        ]
        known.windows = (window, *kept)

    def ending(self, *, now_us: int) -> Iterator[tuple[BudgetPlace, KnownWindow]]:
        """Yield what is in use and ends soon, while its next window is not known."""
        for place, known in self._places.items():
            window = max(known.windows, key=lambda each: each.ends_us, default=None)
            if window is None or now_us < window.starts_us:
                continue
            # Not all at once: tenants of one zone change at one instant.
            spread = hash(place) % (AHEAD_FROM_US - AHEAD_TO_US)
            if now_us >= window.ends_us - AHEAD_TO_US - spread:
                yield place, window

    def prune(self, *, now_us: int) -> None:
        """Forget the places that nobody asks about."""
        for place, known in list(self._places.items()):
            if known.asked_us < now_us - FORGOTTEN_US:
                del self._places[place]
