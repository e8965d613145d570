"""An engine that is read every ten minutes, and what was metered on it in between."""

import datetime as dt
from dataclasses import replace
from typing import Any

from kit.contracts import TokenCounts
from kit.engine_counts import EngineCount, EngineSilence
from metering.reconciliation import services
from metering.reconciliation.engines import reading
from metering.reconciliation.models import Difference
from metering.usage.selectors import database_now
from metering.usage.services import make_partitions
from tests.factories.pricing import make_price
from tests.factories.usage import commit, make_epoch, make_use

ADDRESS = "http://engine:8000"
MINUTE = dt.timedelta(minutes=1)
SECOND = dt.timedelta(seconds=1)
PROMPT, ANSWER = 120, 50
COUNTS = TokenCounts(input_tokens=100, cached_input_tokens=20, output_tokens=ANSWER)


class EngineScene:
    """Its clock is `at`: that of the last reading. It begins with an hour."""

    def __init__(self) -> None:
        self.now = database_now()
        self.at = self.start = whole_hour(self.now) - dt.timedelta(hours=4)
        make_partitions(now=self.start)
        use = make_use(price=make_price(), admitted_at=self.start)
        self.use = replace(use, counts=COUNTS, duration_us=1_000_000)
        self.epoch = make_epoch(started_at=self.start, heartbeat_at=self.now)

    def read(self, *, after: dt.timedelta = 10 * MINUTE, **fields: Any) -> None:
        """Read what the engine has counted by then."""
        self.at += after
        self.answer(told(self.at, **fields))

    def answer(self, answer: EngineCount | EngineSilence) -> None:
        """Keep an answer as a scan does."""
        reading.read_engines(now=self.at, reader=lambda now: [answer])

    def request(self, *, after: dt.timedelta = MINUTE, **fields: Any) -> None:
        """Commit a request that began so long after the last reading."""
        commit(self.epoch, replace(self.use, admitted_at=self.at + after, **fields))

    def found(self) -> list[Difference]:
        """Reconcile, and return what was found of engines."""
        run = services.reconcile(now=self.now)
        return list(run.differences.filter(check_name="engines_counted"))


def whole_hour(at: dt.datetime) -> dt.datetime:
    """Return the beginning of an instant's hour, as readings are held apart by it."""
    return at.replace(minute=0, second=0, microsecond=0)


def told(now: dt.datetime, **fields: Any) -> EngineCount:
    """Say what an engine would say at an instant."""
    count = EngineCount(
        address=ADDRESS,
        replica_ids=(1,),
        known_since=now - dt.timedelta(days=1),
        asked_at=now,
        answered_at=now,
        context_tokens=4096,
        answer_tokens_max=512,
        engine="vllm",
        mark="first",
        started_at=None,
        prompt_tokens=0,
        generated_tokens=0,
        running=0,
    )
    return replace(count, **fields)
