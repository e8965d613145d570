"""Stripe's limits: requests a second, by endpoint and by account, and calls at once.

They are off until `switch_on`: most tests ask about other things. Failure: a request
over a rate is answered 429 before it runs and leaves its idempotency key free; one that
meets another on the same meter and customer is answered 429 as its key's result.
Source: reference/billing.md, sections 2 and 3.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.standins.stripe.clock import VirtualClock
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.event_log import Json

WINDOW_S = 1.0
METER_EVENTS = "/v1/billing/meter_events"


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a second."""

    endpoint: int = 25
    account_live: int = 100
    account_test: int = 25
    # Meter events have a budget of their own.
    meter_events: int = 1000


class Limits:
    """What one account may ask for, and what it is asking for now."""

    def __init__(self, clock: VirtualClock, *, livemode: bool) -> None:
        self._clock = clock
        self._livemode = livemode
        self._now: Callable[[], float] | None = None
        self._rates = Rates()
        self._lock = threading.Lock()
        self._seen: dict[str, deque[float]] = {}
        self._running: set[tuple[str, str]] = set()

    def switch_on(self, rates: Rates | None = None, *, virtual: bool = False) -> None:
        """Hold to the limits, by the host's clock or by the one that tests move."""
        self._rates = rates or Rates()
        self._now = self._clock.now if virtual else time.monotonic

    def switch_off(self) -> None:
        """Let everything pass."""
        self._now = None

    def admit(self, method: str, pattern: str) -> None:
        """Count a request to an endpoint; raise `ApiError` when it is one too many."""
        now = self._now
        if now is None:
            return
        if pattern == METER_EVENTS:
            budgets = {pattern: self._rates.meter_events}
        else:
            account = (
                self._rates.account_live if self._livemode else self._rates.account_test
            )
            budgets = {f"{method} {pattern}": self._rates.endpoint, "": account}
        with self._lock:
            at = now()
            for name, most in budgets.items():
                if len(self._recent(name, at)) >= most:
                    raise _too_fast("endpoint-rate" if name else "global-rate")
            for name in budgets:
                self._seen[name].append(at)

    @contextmanager
    def alone(self, pattern: str, params: Json) -> Iterator[None]:
        """Run a meter event, the only one of its meter and customer at this moment."""
        if pattern != METER_EVENTS or self._now is None:
            yield
            return
        customer = params.get("payload", {}).get("stripe_customer_id", "")
        mark = (params.get("event_name", ""), customer)
        with self._lock:
            if mark in self._running:
                raise _too_many_at_once()
            self._running.add(mark)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(mark)

    def _recent(self, name: str, at: float) -> deque[float]:
        seen = self._seen.setdefault(name, deque())
        while seen and seen[0] <= at - WINDOW_S:
            seen.popleft()
        return seen


def _too_fast(reason: str) -> ApiError:
    return ApiError(
        429,
        "Request rate limit exceeded. You can learn more about rate limits in the"
        " documentation.",
        code="rate_limit",
        stored=False,
        headers={"stripe-rate-limited-reason": reason, "stripe-should-retry": "false"},
    )


def _too_many_at_once() -> ApiError:
    return ApiError(
        429,
        "This customer's meter is being written by another request.",
        code="lock_timeout",
        headers={"stripe-rate-limited-reason": "endpoint-concurrency"},
    )
