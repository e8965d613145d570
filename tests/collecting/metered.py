"""Use of the last hours, which meters are told of, and what they come to count of it.

Failure: none of its own.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence

from metering.billing.accounts import DEFAULT
from metering.billing.models import ProviderCustomer
from metering.collection.meters.noting import hour_of
from metering.collection.models import MeterEvent, MeterProgress
from metering.usage.models import Epoch, HourRollup
from metering.usage.services import make_partitions, roll_up
from tenants.models import Tenant
from tests.collecting.place import Stripe
from tests.factories.pricing import make_price
from tests.factories.usage import commit, make_use
from tests.standins.stripe.world import meters

HOUR = dt.timedelta(hours=1)
HOURS = 2
# A course takes as long with many more.
TENANTS_MAX = 6
COUNTED = ("input_tokens", "cached_input_tokens", "output_tokens")
# Whose use, of what, in which hour.
_Counts = Counter[tuple[int, str, dt.datetime]]


def use_lately(tenants: Sequence[Tenant], *, now: dt.datetime) -> None:
    """Commit use of the last hours that are over, and let meters be told from then."""
    since = hour_of(now) - HOURS * HOUR
    make_partitions(now=now)
    epoch = Epoch.objects.create(
        gateway="lately",
        epoch=1,
        state=Epoch.State.CLOSED,
        started_at=since,
        heartbeat_at=now,
    )
    for tenant in tenants[:TENANTS_MAX]:
        price = make_price(currency=tenant.currency)
        for hour in range(HOURS):
            at = since + hour * HOUR
            commit(epoch, make_use(price=price, admitted_at=at, tenant=tenant))
    roll_up()
    MeterProgress.objects.create(account=DEFAULT, told_from=since)


def make_meters(stripe: Stripe) -> None:
    """Make the meters of our account."""
    with stripe.standin.engine.opened(stripe.account) as account:
        for name in COUNTED:
            asked = {
                "display_name": name,
                "event_name": f"tollgate_{name}",
                "default_aggregation": {"formula": "sum"},
            }
            meters.create(account, asked)


def untold() -> bool:
    """Tell whether meters are still to be told of something."""
    states = (MeterEvent.State.WAITING, MeterEvent.State.CANCELLING)
    return MeterEvent.objects.filter(state__in=states).exists()


def differences(stripe: Stripe) -> Iterator[str]:
    """Each meter counts what was used, by tenant and hour."""
    used, counted = _used(), _counted(stripe)
    for key in sorted(used.keys() | counted.keys()):
        if used[key] != counted[key]:
            tenant, name, hour = key
            yield (
                f"{name} of tenant {tenant} at {hour:%m-%d %H:00}: {used[key]} used,"
                f" {counted[key]} counted"
            )
    for row in MeterEvent.objects.exclude(state=MeterEvent.State.TOLD):
        yield f"meter event {row} is {row.state}: {row.problem}"


def _used() -> _Counts:
    found: _Counts = Counter()
    progress = MeterProgress.objects.filter(account=DEFAULT).first()
    if progress is None:
        return found
    for row in HourRollup.objects.filter(hour__gte=progress.told_from):
        for name in COUNTED:
            found[row.tenant_id, name, row.hour] += getattr(row, name)
    return +found


def _counted(stripe: Stripe) -> _Counts:
    rows = ProviderCustomer.objects.values_list("reference", "tenant_id")
    tenants = dict(rows)
    found: _Counts = Counter()
    for reference, uses in stripe.account.uses.items():
        meter = stripe.account.rows["billing.meter"][reference]
        name = meter["event_name"].removeprefix("tollgate_")
        for use in uses:
            at = dt.datetime.fromtimestamp(use.at, tz=dt.UTC)
            found[tenants.get(use.customer, 0), name, hour_of(at)] += use.value
    return found
