"""Claims, runs, ends, deaths and retries in any order, against a model in memory.

Whatever the order: the verdict is the model's, no two attempts of a key run at once,
and what is owed is what the attempts used, less the credits that the model gives.
"""

import datetime as dt
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from kit.contracts import EventKind, EventStatus, TokenCounts
from kit.orm.roles import as_operator
from metering.idempotency import services
from metering.pricing.rating import charge_picos
from metering.usage.corrections import Correction, post_corrections
from metering.usage.models import Epoch
from tests.databases import Database
from tests.metering.idempotency.world import World, a_world

OURS = {EventStatus.UNDELIVERED, EventStatus.ENGINE_ERROR, EventStatus.DRAINED}
DAY = dt.timedelta(hours=24)
KEYS = st.sampled_from("ab")
BODIES = st.sampled_from("xxxy")
COUNTS = st.builds(
    TokenCounts, input_tokens=st.integers(0, 3), output_tokens=st.integers(0, 3)
)


@dataclass(slots=True)
class Attempt:
    """One request with a key; `net` is what stands of it, None before it ended."""

    request_id: UUID
    epoch: Epoch
    status: EventStatus | None = None
    net: TokenCounts | None = None
    is_judged: bool = False
    is_credited: bool = False


@dataclass(slots=True)
class Series:
    """All attempts of one key within its day."""

    key: str
    body: str
    first_at: dt.datetime
    attempts: list[Attempt] = field(default_factory=list)

    def judge(self) -> None:
        """Credit the first two that ended by our fault before another that ended."""
        for number, attempt in enumerate(self.attempts):
            later = self.attempts[number + 1 :]
            if attempt.is_judged or attempt.status is None:
                continue
            if not any(each.status is not None for each in later):
                continue
            attempt.is_judged = True
            before = sum(each.is_credited for each in self.attempts)
            if attempt.status in OURS and attempt.net != TokenCounts() and before < 2:
                attempt.is_credited = True
                attempt.net = TokenCounts()


class Claims(RuleBasedStateMachine):
    """Two keys, two bodies, one gateway after the other, and time."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.series: list[Series] = []
        self.last: dict[str, Series] = {}
        self.closed: set[int] = set()

    @rule(key=KEYS, body=BODIES)
    def claim(self, key: str, body: str) -> None:
        """Send a request with a key."""
        expected = self._expected(key, body)
        verdict, request_id = self.world.claim(key, body)
        assert verdict == expected
        # An answer may get lost: asked again, it is the same.
        if verdict in {"new", "retry"}:
            again, _ = self.world.claim(key, body, request_id=request_id)
            assert again == verdict
        if verdict == "new":
            self.last[key] = Series(key, body, self.world.now)
            self.series.append(self.last[key])
        if verdict in {"new", "retry"}:
            attempt = Attempt(request_id, self.world.epoch)
            self.last[key].attempts.append(attempt)

    @precondition(lambda self: self._unsettled())
    @rule(
        which=st.integers(0, 9),
        status=st.sampled_from(EventStatus),
        counts=COUNTS,
    )
    def end(self, which: int, status: EventStatus, counts: TokenCounts) -> None:
        """Commit an attempt's event, in whatever epoch, however late."""
        unsettled = self._unsettled()
        attempt = unsettled[which % len(unsettled)]
        is_late = attempt.epoch.pk in self.closed
        epoch = None if is_late else attempt.epoch
        self.world.end(attempt.request_id, status, counts, epoch=epoch)
        attempt.status, attempt.net = status, counts

    @precondition(lambda self: self.last)
    @rule(which=st.integers(0, 9))
    def forget(self, which: int) -> None:
        """Void a request; of one that ended or was followed, that means nothing."""
        keys = sorted(self.last)
        series = self.last[keys[which % len(keys)]]
        attempt = series.attempts[-1]
        if attempt.status is not None:
            return
        self.world.forget(series.key, attempt.request_id)
        self.world.forget(series.key, attempt.request_id)
        series.attempts.pop()
        if not series.attempts:
            del self.last[series.key]

    @precondition(lambda self: self._unsettled())
    @rule(which=st.integers(0, 9))
    def forget_too_late(self, which: int) -> None:
        """Void a request that others came after."""
        unsettled = self._unsettled()
        attempt = unsettled[which % len(unsettled)]
        for series in self.series:
            if attempt in series.attempts and (
                attempt is not series.attempts[-1]
                or self.last.get(series.key) is not series
            ):
                self.world.forget(series.key, attempt.request_id)

    @precondition(lambda self: self._settled())
    @rule(which=st.integers(0, 9))
    def correct(self, which: int) -> None:
        """Take the output of a request back, for a reason of its own."""
        settled = self._settled()
        attempt = settled[which % len(settled)]
        assert attempt.net is not None
        if not attempt.net.output_tokens:
            return
        with as_operator():
            correction = Correction(
                self.world.use.tenant_id,
                attempt.request_id,
                EventKind.ADJUSTMENT,
                "a test",
                TokenCounts(output_tokens=-attempt.net.output_tokens),
            )
            post_corrections([correction], poster="a test")
        attempt.net = TokenCounts(input_tokens=attempt.net.input_tokens)

    @rule()
    def die(self) -> None:
        """Kill the gateway; the reaper closes its epoch."""
        self.closed.add(self.world.die().pk)

    @rule(hours=st.sampled_from([1, 11, 24]))
    def wait(self, hours: int) -> None:
        """Let time pass."""
        self.world.pass_time(dt.timedelta(hours=hours))

    @rule()
    def credit(self) -> None:
        """Run the task, and compare all that is owed."""
        with as_operator():
            services.credit_retries(now=self.world.now)
        for series in self.series:
            series.judge()
        self._compare()

    def teardown(self) -> None:
        """Compare once more at the end."""
        self.credit()

    def _compare(self) -> None:
        credited = {
            attempt.request_id
            for series in self.series
            for attempt in series.attempts
            if attempt.is_credited
        }
        assert set(self.world.credits()) == credited
        owed = sum(
            charge_picos(self.world.use.price, attempt.net)
            for attempt in self._settled()
            if attempt.net is not None
        )
        assert self.world.charged() == owed

    def _expected(self, key: str, body: str) -> str:
        series = self.last.get(key)
        if series is None or self.world.now >= series.first_at + DAY:
            return "new"
        if series.body != body:
            return "mismatch"
        last = series.attempts[-1]
        if last.status is None and last.epoch.pk not in self.closed:
            return "running"
        return "retry"

    def _all(self) -> list[Attempt]:
        return [attempt for series in self.series for attempt in series.attempts]

    def _unsettled(self) -> list[Attempt]:
        return [attempt for attempt in self._all() if attempt.status is None]

    def _settled(self) -> list[Attempt]:
        return [attempt for attempt in self._all() if attempt.status is not None]


def test_claims_and_credits_are_the_model_s(database: Database) -> None:
    with ExitStack() as worlds:
        run_state_machine_as_test(
            # A tenant of its own for each example, on the one database.
            lambda: Claims(worlds.enter_context(a_world(database))),  # type: ignore[arg-type]
            settings=settings(
                max_examples=int(os.environ.get("CLAIM_EXAMPLES", "40")),
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
