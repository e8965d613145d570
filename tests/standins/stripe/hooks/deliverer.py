"""Deliver events to webhook endpoints: at once, again after a failure, in disorder.

Due times and retries follow the stand-in's clock; a test moves it and waits with
`settle`, never with a sleep. Failure: an endpoint that cannot be reached is tried again
as Stripe does, and then no more. Owns: what is still to be sent, and every attempt.
"""

import copy
import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tests.standins.stripe.clock import VirtualClock
from tests.standins.stripe.event_log import Json
from tests.standins.stripe.hooks.disorder import DisorderPlan, Letter
from tests.standins.stripe.hooks.endpoints import Endpoint, EndpointBook
from tests.standins.stripe.hooks.sending import Attempt, post

HOUR_S = 3600
# After each failure, how long until the next try: live for three days, test for hours.
RETRIES_LIVE_S = (300, 1800, *(h * HOUR_S for h in (2, 4, 8, 16, 24)))
RETRIES_TEST_S = (300, 1800, 2 * HOUR_S)
SETTLE_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event on its way to one endpoint; `endpoint` is looked up when it is sent."""

    event: Json
    book: EndpointBook
    endpoint: str
    number: int = 1
    is_extra: bool = False


class Deliverer:
    """Sends what is due, in threads of its own that start with the first event."""

    def __init__(self, clock: VirtualClock, *, workers: int = 1) -> None:
        self.plan = DisorderPlan()
        self.attempts: list[Attempt] = []
        # Receivers check against their own clock, which no test moves.
        self.signs_at: Callable[[], float] = time.time
        # Told after each attempt.
        self.on_sent: Callable[[], None] = lambda: None
        self._clock = clock
        self._workers = workers
        self._serial = itertools.count()
        self._queue: list[tuple[float, int, Delivery]] = []
        self._under_way: list[Delivery] = []
        self._dice: random.Random | None = None
        self._is_paused = self._is_closed = False
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        clock.moved.append(self._wake)

    # What goes in ---------------------------------------------------------------------

    def take(self, event: Json, book: EndpointBook) -> None:
        """Send an event to every endpoint that wants it."""
        endpoints = book.wanting(event["type"])
        event["pending_webhooks"] = len(endpoints)
        for endpoint in endpoints:
            self._schedule_first(Delivery(event, book, endpoint.id))

    def resend(self, event: Json, book: EndpointBook) -> None:
        """Send an event once more, as somebody does at Stripe's dashboard."""
        for endpoint in book.wanting(event["type"]):
            self._put(Delivery(event, book, endpoint.id, is_extra=True), after_s=0)

    def _schedule_first(self, delivery: Delivery) -> None:
        after_s, extra = 0.0, 0
        for disorder in self.plan.at_schedule(delivery.event):
            if disorder.kind == "drop":
                return
            if disorder.kind == "delay":
                after_s += disorder.seconds
            else:
                extra += disorder.copies
        self._put(delivery, after_s=after_s)
        for _ in range(extra):
            self._put(replace(delivery, is_extra=True), after_s=after_s)

    def _put(self, delivery: Delivery, *, after_s: float) -> None:
        with self._changed:
            due = self._clock.now() + after_s
            heapq.heappush(self._queue, (due, next(self._serial), delivery))
            self._start()
            self._changed.notify_all()

    # What tests steer -----------------------------------------------------------------

    @contextmanager
    def held(self, *, shuffle: int | None = None) -> Iterator[None]:
        """Send nothing inside the block; after it, with a seed, in a shuffled order."""
        self._set_paused(paused=True)
        try:
            yield
        finally:
            # Chance for tests, not for secrets.
            self._dice = None if shuffle is None else random.Random(shuffle)
            self._set_paused(paused=False)

    def settle(self, timeout_s: float = SETTLE_S_MAX) -> None:
        """Return once all that is due by the clock has been sent and answered.

        Raises `TimeoutError` when that does not come about, at once while it is held.
        """
        with self._changed:
            if self._is_paused and self._is_due():
                raise TimeoutError("webhooks are held, so nothing is sent")
            if not self._changed.wait_for(self._is_idle, timeout_s):
                raise TimeoutError(f"{len(self._queue)} webhooks are not sent yet")

    def waiting(self) -> list[tuple[float, str]]:
        """Return when what is to be sent is due, and its type, the next first."""
        with self._changed:
            return [(due, row.event["type"]) for due, _, row in sorted(self._queue)]

    def kept(self) -> list[tuple[float, Delivery]]:
        """Return what is to be sent, and what is being sent, with when it is due."""
        with self._changed:
            now = self._clock.now()
            under_way = [(now, delivery) for delivery in self._under_way]
            return under_way + [(due, delivery) for due, _, delivery in self._queue]

    def take_up(self, kept: list[tuple[float, Delivery]]) -> None:
        """Send what an earlier stand-in had still to send."""
        now = self._clock.now()
        for due, delivery in kept:
            self._put(delivery, after_s=due - now)

    def close(self) -> None:
        """Stop; what has not been sent stays in the queue."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    # Inside ---------------------------------------------------------------------------

    def _set_paused(self, *, paused: bool) -> None:
        with self._changed:
            self._is_paused = paused
            self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _is_idle(self) -> bool:
        return not self._under_way and not self._is_due()

    def _is_due(self) -> bool:
        return bool(self._queue) and self._queue[0][0] <= self._clock.now()

    def _start(self) -> None:
        while len(self._threads) < self._workers and not self._is_closed:
            thread = threading.Thread(target=self._work, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (delivery := self._next()) is not None:
            attempt = self._send(delivery)
            with self._changed:
                self._under_way.remove(delivery)
                if attempt is not None:
                    self.attempts.append(attempt)
                    self.on_sent()
                    self._conclude(delivery, attempt)
                self._changed.notify_all()

    def _next(self) -> Delivery | None:
        with self._changed:
            while not self._is_closed:
                if not self._is_paused and self._is_due():
                    self._under_way.append(picked := self._picked())
                    return picked
                self._changed.wait(self._until_next_s())
            return None

    def _picked(self) -> Delivery:
        if self._dice is None:
            return heapq.heappop(self._queue)[2]
        now = self._clock.now()
        due = [index for index, row in enumerate(self._queue) if row[0] <= now]
        picked = self._queue.pop(self._dice.choice(due))
        heapq.heapify(self._queue)
        return picked[2]

    def _until_next_s(self) -> float | None:
        if self._is_paused or not self._queue:
            return None
        return max(0.0, self._queue[0][0] - self._clock.now())

    def _send(self, delivery: Delivery) -> Attempt | None:
        endpoint = delivery.book.get(delivery.endpoint)
        if endpoint is None or endpoint.is_disabled:
            return None
        letter = self._letter(delivery.event, endpoint)
        disorders = self.plan.at_sending(delivery.event)
        for disorder in disorders:
            letter.suffer(disorder)
        status, error = post(endpoint.url, letter)
        return Attempt(
            event=delivery.event["id"],
            kind=delivery.event["type"],
            endpoint=endpoint.id,
            number=delivery.number,
            at=self._clock.now(),
            status=status,
            error=error,
            disorders=tuple(disorder.kind for disorder in disorders),
        )

    def _letter(self, event: Json, endpoint: Endpoint) -> Letter:
        told = copy.copy(event)
        if endpoint.api_version is not None:
            told["api_version"] = endpoint.api_version
        return Letter(told, int(self.signs_at()), endpoint.secrets)

    def _conclude(self, delivery: Delivery, attempt: Attempt) -> None:
        event = delivery.event
        if attempt.succeeded:
            if not delivery.is_extra:
                event["pending_webhooks"] -= 1
            return
        retries = RETRIES_LIVE_S if event["livemode"] else RETRIES_TEST_S
        if delivery.is_extra or delivery.number > len(retries):
            return
        due = self._clock.now() + retries[delivery.number - 1]
        again = replace(delivery, number=delivery.number + 1)
        heapq.heappush(self._queue, (due, next(self._serial), again))
