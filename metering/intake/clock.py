"""PostgreSQL's clock, read in this process: what dates everything that is billed.

A heartbeat brings the database's instant; half its round trip and the boot clock since
then are added. The host's wall clock is never asked, and the clock never runs backwards
in a process. Failure: an answer that took long may be wrong by half of that, so it
moves a clock that is set only as far as it disproves it. Owns: the distance between the
two clocks.
"""

from kit.clock import boot_us

ROUND_TRIP_TRUSTED_US = 100_000


class DatabaseClock:
    """Microseconds since 1970 by the database's clock."""

    def __init__(self) -> None:
        self._offset_us: int | None = None
        self._last_us = 0

    @property
    def is_set(self) -> bool:
        """Tell whether a first heartbeat has set the clock."""
        return self._offset_us is not None

    def set(self, database_us: int, *, sent_us: int, received_us: int) -> None:
        """Take the database's instant, asked and answered at these boot clock times."""
        # The instant was read between sending and receiving; nothing else is known.
        least_us, most_us = database_us - received_us, database_us - sent_us
        if self._offset_us is None or most_us - least_us <= ROUND_TRIP_TRUSTED_US:
            self._offset_us = (least_us + most_us) // 2
        else:
            self._offset_us = min(max(self._offset_us, least_us), most_us)

    def now_us(self) -> int:
        """Return the database's present instant."""
        if self._offset_us is None:
            raise RuntimeError("the database clock is read before its first heartbeat")
        self._last_us = max(self._last_us, boot_us() + self._offset_us)
        return self._last_us
