"""Use by the hour, and what the meters of a Stripe count of it."""

import datetime as dt
from typing import Any

import stripe

from kit.contracts import LinearPrice
from metering.billing.models import ProviderCustomer
from metering.billing.providers.stripe.client import API_VERSION
from metering.collection.meters.noting import hour_of, note_use
from metering.collection.meters.telling import tell_use
from metering.collection.models import MeterEvent, MeterProgress
from metering.usage.models import HourRollup
from tenants.models import Tenant
from tests.factories.pricing import make_price
from tests.factories.tenants import make_tenant
from tests.standins.stripe import StripeStandIn

HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
NAMES = ("input_tokens", "cached_input_tokens", "output_tokens")
_NOTHING = dict.fromkeys(("requests", *NAMES, "reasoning_tokens", "charge_picos"), 0)


class Metered:
    """One account whose meters are told of use since two days ago, and a tenant."""

    def __init__(self, standin: StripeStandIn) -> None:
        self.standin = standin
        self.account = standin.engine.account
        self.stripe = stripe.StripeClient(
            "sk_test_any",
            stripe_version=API_VERSION,
            base_addresses={"api": standin.url},
        )
        self.meters = {name: self.make_meter(name) for name in NAMES}
        self.price = make_price()
        self.tenant = make_tenant()
        # The last hour that is over.
        self.hour = hour_of(self.now) - HOUR
        MeterProgress.objects.create(account="default", told_from=self.hour - 2 * DAY)

    @property
    def now(self) -> dt.datetime:
        """Return Stripe's time, which is ours too."""
        return dt.datetime.fromtimestamp(self.account.now(), tz=dt.UTC)

    def make_meter(self, name: str, formula: Any = "sum") -> str:
        """Make a meter there."""
        made = self.stripe.v1.billing.meters.create(
            {
                "display_name": name,
                "event_name": f"tollgate_{name}",
                "default_aggregation": {"formula": formula},
            }
        )
        return made.id

    def use(
        self,
        hour: dt.datetime | None = None,
        *,
        tenant: Tenant | None = None,
        price: LinearPrice | None = None,
        **counts: int,
    ) -> None:
        """Let a tenant use more, or less, in an hour: the last one that is over."""
        row, _ = HourRollup.objects.get_or_create(
            tenant_id=(tenant or self.tenant).pk,
            hour=hour or self.hour,
            price_id=(price or self.price).id,
            defaults=_NOTHING,
        )
        for name, count in counts.items():
            setattr(row, name, getattr(row, name) + count)
        row.save()

    def wait(self, delay: dt.timedelta) -> None:
        """Let time pass."""
        self.standin.advance(delay.total_seconds())

    def run(self, scans: int = 1) -> list[tuple[str, int, int, str]]:
        """Note and tell; return what is there of each event, in order."""
        note_use(now=self.now)
        for _ in range(scans):
            tell_use(now=self.now)
        return self.events()

    def events(self) -> list[tuple[str, int, int, str]]:
        """Return of each event what is counted, its number, how much, its state."""
        rows = MeterEvent.objects.order_by("hour", "counted", "seq")
        return list(rows.values_list("counted", "seq", "quantity", "state"))

    def problems(self) -> list[str]:
        """Return why events wait, or were not told."""
        rows = MeterEvent.objects.exclude(problem="").order_by("pk")
        return list(rows.values_list("problem", flat=True))

    def counted(
        self,
        name: str = "input_tokens",
        hour: dt.datetime | None = None,
        tenant: Tenant | None = None,
    ) -> int:
        """Return what a meter counts of a tenant's hour."""
        customer = ProviderCustomer.objects.get(tenant=tenant or self.tenant).reference
        start = int((hour or self.hour).timestamp())
        found = self.stripe.v1.billing.meters.event_summaries.list(
            self.meters[name],
            {"customer": customer, "start_time": start, "end_time": start + 3600},
        )
        return int(sum(row.aggregated_value for row in found.data))

    def sent(self) -> list[dict[str, Any]]:
        """Return the calls that told of use."""
        calls = self.standin.journal()
        return [call for call in calls if call["path"] == "/v1/billing/meter_events"]
