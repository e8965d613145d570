"""Events of a provider, and handlers that remember what they were called with."""

import datetime as dt
from dataclasses import dataclass, field

from metering.inbox import services
from metering.inbox.handlers import handles
from metering.inbox.models import WebhookEvent
from metering.inbox.told import Told

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


def told(
    event_id: str = "evt_1",
    type_: str = "invoice.paid",
    object_id: str = "in_1",
    occurred_at: dt.datetime = NOW,
) -> Told:
    return Told(event_id, type_, object_id, occurred_at)


def take_in(
    *events: Told,
    account: str = "default",
    now: dt.datetime = NOW,
    problem: str = "",
) -> int:
    return services.take_in(
        events,
        account=account,
        source=WebhookEvent.Source.WEBHOOK,
        now=now,
        problem=problem,
    )


@dataclass(slots=True)
class Remembering:
    """A handler that fails as often as it is told to."""

    pattern: str = "invoice.*"
    failures: list[Exception] = field(default_factory=list)
    calls: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        handles(self.pattern)(self._call)

    def _call(
        self, account: str, object_id: str, event_type: str, now: dt.datetime
    ) -> None:
        self.calls.append((account, object_id, event_type))
        if self.failures:
            raise self.failures.pop(0)
