"""One replica's circuit breaker: it tells death from having too much to do. Pure.

What is dead is left alone for a while that grows with every vain try, then one request
tries it. What is overloaded lives: it is passed over for as long as it asks, and never
longer than a few seconds. What answers that it failed may have been asked for what
nobody can do, so that only many in a row count, and no more than overload does.

Time is an argument, in seconds of a clock that never goes back.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

# So many deaths with no answer between them open it.
DEATHS_IN_A_ROW = 3
# So do so many within a window, where they are half of all that was seen there.
DEATHS_IN_WINDOW = 5
WINDOW_S = 10.0
# How long it is left alone: at first, and at most. Between half and all of it is
# waited, so that not all processes come back at one moment.
COOL_S = 1.0
COOL_S_MAX = 30.0
# One that was closed for so long begins with the short wait again.
STEADY_S = 60.0
# Whoever tries it may have to wait for a long prompt: then another one tries it too.
TRIAL_S = 10.0
# A try that has gone on for so long, at an engine that answers probes, has not failed.
PROVEN_S = 1.0
# How long an overloaded one is passed over if it does not say, and at most.
BUSY_S = 0.25
BUSY_S_MAX = 5.0
FAULTS_IN_A_ROW = 20
FAULTS_S = 2.0


class State(IntEnum):
    """Whether requests flow."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(slots=True)
class _Window:
    """What was seen since it began, for as long as it lasts."""

    began_at: float = float("-inf")
    deaths: int = 0
    outcomes: int = 0

    def add(self, now: float, *, is_death: bool) -> None:
        if now > self.began_at + WINDOW_S:
            self.began_at, self.deaths, self.outcomes = now, 0, 0
        self.outcomes += 1
        self.deaths += is_death

    @property
    def is_mostly_death(self) -> bool:
        return self.deaths >= DEATHS_IN_WINDOW and 2 * self.deaths >= self.outcomes


@dataclass(slots=True)
class Breaker:
    """What is known of one replica that has been in trouble.

    `chance` returns a number from 0 to 1; the next wait is drawn by it.
    """

    chance: Callable[[], float]
    state: State = State.CLOSED
    # When it last did wrong.
    failed_at: float = float("-inf")
    _until: float = 0.0
    _tried_at: float = 0.0
    _openings: int = 0
    _closed_at: float = float("-inf")
    _deaths_in_a_row: int = 0
    _faults_in_a_row: int = 0
    _window: _Window = field(default_factory=_Window)

    def may_take(self, now: float) -> bool:
        """Tell whether a request may be sent."""
        if self.state is State.HALF_OPEN:
            return now >= self._tried_at + TRIAL_S
        return now >= self._until

    def began(self, now: float) -> None:
        """Note that a request is sent, which tries it where it is not closed."""
        if self.state is not State.CLOSED:
            self.state = State.HALF_OPEN
            self._tried_at = now

    def answered(self, now: float) -> None:
        """Note an answer, be it a refusal: what answers is not dead.

        Of an open one it is a straggler's, sent before: the next try will tell.
        """
        self._deaths_in_a_row = self._faults_in_a_row = 0
        self._window.add(now, is_death=False)
        if self.state is State.HALF_OPEN:
            self._close(now)

    def died(self, now: float) -> None:
        """Note that it could not be reached, broke off, or was silent for too long."""
        self.failed_at = now
        self._deaths_in_a_row += 1
        self._window.add(now, is_death=True)
        if self.state is State.HALF_OPEN or (
            self.state is State.CLOSED
            and (
                self._deaths_in_a_row >= DEATHS_IN_A_ROW or self._window.is_mostly_death
            )
        ):
            self._open(now)

    def overloaded(self, now: float, retry_after_s: float = 0.0) -> None:
        """Note that it has too much to do; it may say when to come again."""
        self.failed_at = now
        self.answered(now)
        self._pass_over(now, min(retry_after_s or BUSY_S, BUSY_S_MAX))

    def faulted(self, now: float) -> None:
        """Note that it answered that it failed: no proof of life, and none of death."""
        self.failed_at = now
        self._faults_in_a_row += 1
        if self.state is State.HALF_OPEN:
            self._open(now)
        elif self._faults_in_a_row >= FAULTS_IN_A_ROW:
            self._pass_over(now, FAULTS_S)

    def probed(self, now: float) -> None:
        """Note that it answers a probe: one request may try it at once.

        Of one that is tried already it is the verdict: a whole answer may take long.
        """
        if self.state is State.OPEN:
            self._until = now
        elif self.state is State.HALF_OPEN and now >= self._tried_at + PROVEN_S:
            self._close(now)

    def is_forgotten(self, now: float) -> bool:
        """Tell whether nothing is left to remember."""
        return (
            self.state is State.CLOSED
            and now > max(self.failed_at, self._closed_at) + STEADY_S
        )

    def _open(self, now: float) -> None:
        if now > self._closed_at + STEADY_S and self.state is State.CLOSED:
            self._openings = 0
        self.state = State.OPEN
        cool_s = min(COOL_S * 2.0**self._openings, COOL_S_MAX)
        self._openings = min(self._openings + 1, 16)
        self._until = now + cool_s * (0.5 + self.chance() / 2)

    def _close(self, now: float) -> None:
        self.state = State.CLOSED
        self._deaths_in_a_row = self._faults_in_a_row = 0
        self._closed_at = self._until = now

    def _pass_over(self, now: float, seconds: float) -> None:
        if self.state is State.CLOSED:
            self._until = max(self._until, now + seconds)
