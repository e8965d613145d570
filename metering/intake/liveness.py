"""Whether PostgreSQL answers: the one judgement that the meter and admission share.

It is away once something asked of it has gone unanswered for too long: nobody is kept
waiting for it from then on. It is gone after four times that, and what needs it is
refused at once; until then a slow answer is worth its wait. It is back with the next
answer. Owns the lists of those who want to know at once.
"""

from collections.abc import Callable

from kit.clock import boot_us

# How many times as long as away.
GONE_AFTER = 4


class Liveness:
    """Tracks unanswered questions to the database."""

    def __init__(self, *, away_after_ms: int) -> None:
        self._away_after_us = away_after_ms * 1000
        self._asked_us: dict[str, int] = {}
        self._on_away: list[Callable[[], None]] = []
        self._on_gone: list[Callable[[], None]] = []
        self.is_away = True
        self.is_gone = True

    def on_away(self, listener: Callable[[], None]) -> None:
        """Call the listener each time that the database goes away."""
        self._on_away.append(listener)

    def on_gone(self, listener: Callable[[], None]) -> None:
        """Call the listener each time that it has been away for long."""
        self._on_gone.append(listener)

    def asked(self, what: str) -> None:
        """Note that a question was asked; an earlier one of the same kind counts on."""
        self._asked_us.setdefault(what, boot_us())

    def answered(self, what: str) -> None:
        """Note the answer; with nothing else overdue the database is here."""
        self._asked_us.pop(what, None)
        if self.is_away and not self._overdue(1):
            self.is_away = self.is_gone = False

    def check(self) -> None:
        """Judge by the clock; call this a few times per second."""
        if not self.is_away and self._overdue(1):
            self.is_away = True
            for listener in self._on_away:
                listener()
        if not self.is_gone and self._overdue(GONE_AFTER):
            self.is_gone = True
            for listener in self._on_gone:
                listener()

    def _overdue(self, times: int) -> bool:
        limit = boot_us() - times * self._away_after_us
        return any(asked < limit for asked in self._asked_us.values())
