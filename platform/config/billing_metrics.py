"""What waits between us and billing providers, for Prometheus.

    GET /metrics/billing/    with an operator's token that may read

Gateways count requests on pages of their own; what is here stands in the database and
is the same whichever web process answers, so one target is enough. A few counts over
partial indexes of what is undone: its cost does not grow with what was done.

Failure: an answer in the API's form. Owns nothing.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import ClassVar

from django.http import HttpResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from rest_framework.request import Request

from kit.drf.views import ManagementView
from kit.scopes import Scope
from metering.billing import outbox
from metering.collection.meters.backlog import backlog as meter_backlog
from metering.collection.selectors import outgoing_backlog
from metering.inbox import selectors as inbox
from metering.usage.selectors import database_now

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class BillingMetrics(ManagementView):
    """Backlogs of calls to providers, of their news, and of what they are told."""

    noun = "billing_metrics"
    scopes: ClassVar = {"get": Scope.OPERATE_READ}
    # It is no part of the management API, whose document has another root.
    schema = None  # type: ignore[assignment]

    def get(self, request: Request) -> HttpResponse:
        """Count what is undone now."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Page(database_now()))
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE)


class _Page:
    """All families, read when they are asked for."""

    def __init__(self, now: dt.datetime) -> None:
        self._now = now

    def collect(self) -> Iterator[Metric]:
        """Yield all families; called by the registry."""
        calls = outbox.backlog()
        yield _by_state(
            "tollgate_outbox_calls",
            "Calls to billing providers that are undone.",
            {
                "in_doubt": calls.in_doubt,
                "refused": calls.refused,
                "parked": calls.parked,
            },
        )
        yield self._age("tollgate_outbox_oldest_seconds", calls.oldest_at)
        news = inbox.backlog()
        yield _by_state(
            "tollgate_inbox_events",
            "Events of billing providers that are not seen through.",
            {"waiting": news.waiting, "parked": news.parked},
        )
        yield self._age("tollgate_inbox_oldest_seconds", news.oldest_at)
        facts = outgoing_backlog()
        yield _by_state(
            "tollgate_outgoing_facts",
            "Notes, refunds and the like that a provider is not told of.",
            {"waiting": facts.waiting, "refused": facts.refused},
        )
        yield self._age("tollgate_outgoing_oldest_seconds", facts.oldest_at)
        use = meter_backlog()
        yield _by_state(
            "tollgate_meter_events",
            "Use that a provider's meters are not told of.",
            {"waiting": use.waiting, "parked": use.parked},
        )
        yield self._age("tollgate_meter_oldest_seconds", use.oldest_at)
        yield GaugeMetricFamily(
            "tollgate_meter_differences",
            "Hours of which meters were told more than was used.",
            value=use.differences,
        )

    def _age(self, name: str, oldest_at: dt.datetime | None) -> Metric:
        """Return how long the oldest has waited; 0 where nothing waits."""
        seconds = (self._now - oldest_at).total_seconds() if oldest_at else 0.0
        return GaugeMetricFamily(name, "Since the oldest of them.", value=seconds)


def _by_state(name: str, help_text: str, counts: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=["state"])
    for state, count in counts.items():
        family.add_metric([state], count)
    return family
