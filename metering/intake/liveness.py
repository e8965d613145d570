"""Whether PostgreSQL answers: the one judgement that admission and the relay share.

It is away once something asked of it has gone unanswered for too long, and back with
the next answer. Owns the list of those who want to know at once.
"""

from collections.abc import Callable

from kit.clock import boot_us


class Liveness:
    """Tracks unanswered questions to the database."""

    def __init__(self, *, away_after_ms: int) -> None:
        self._away_after_us = away_after_ms * 1000
        self._asked_us: dict[str, int] = {}
        self._listeners: list[Callable[[], None]] = []
        self.is_away = True

    def on_away(self, listener: Callable[[], None]) -> None:
        """Call the listener each time that the database goes away."""
        self._listeners.append(listener)

    def asked(self, what: str) -> None:
        """Note that a question was asked; an earlier one of the same kind counts on."""
        self._asked_us.setdefault(what, boot_us())

    def answered(self, what: str) -> None:
        """Note the answer; with nothing else overdue the database is here."""
        self._asked_us.pop(what, None)
        if self.is_away and not self._overdue():
            self.is_away = False

    def check(self) -> None:
        """Judge by the clock; call this a few times per second."""
        if not self.is_away and self._overdue():
            self.is_away = True
            for listener in self._listeners:
                listener()

    def _overdue(self) -> bool:
        limit = boot_us() - self._away_after_us
        return any(asked < limit for asked in self._asked_us.values())
