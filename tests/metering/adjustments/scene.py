"""Requests to be set right, and what stands of them."""

import datetime as dt
from dataclasses import replace

from kit.contracts import LinearPrice, TokenCounts
from metering.adjustments.previewing import Scope
from metering.pricing.corrective import Quote
from metering.pricing.models import Price
from metering.usage.corrections import Request, standing_of
from tests.factories.billing import STARTED
from tests.factories.pricing import make_price
from tests.factories.usage import Use, commit, make_epoch, make_use

DAY = dt.timedelta(days=1)
NOW = STARTED + 20 * DAY
# Ten times what was meant.
MISTYPED = ("30", "3", "150")
MEANT = Quote("3", "0.3", "15")
OTHER = Quote("7", "0.000001", "0")


def a_use(*, price: LinearPrice | None = None, tenant: object = None) -> Use:
    """Describe a request in the range that is rated anew."""
    price = price or make_price(per_million=MISTYPED)
    return make_use(price=price, admitted_at=STARTED + DAY, tenant=tenant)


def requested(*uses: Use) -> list[Request]:
    """Commit requests as a gateway does."""
    epoch = make_epoch(started_at=STARTED, state="closed")
    return [Request(each.tenant_id, each.request_id) for each in commit(epoch, *uses)]


def scope_of(use: Use, **changes: object) -> Scope:
    """Return the whole range in which a use was priced as it was."""
    price = Price.objects.select_related("version__book").get(pk=use.price.id)
    whole = Scope(
        book=price.version.book,
        model=price.model,
        start=STARTED,
        end=STARTED + 2 * DAY,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def charged(request: Request) -> int:
    """Return what stands of a request, in picos."""
    return sum(each.charge_picos for each in standing_of([request])[request])


def tokens(request: Request) -> TokenCounts:
    """Return what stands of a request, in tokens; it stands under one price."""
    stands = standing_of([request])[request]
    assert len(stands) <= 1
    return stands[0].counts if stands else TokenCounts()
