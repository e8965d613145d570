"""Take ended billing days over into the ledger, each time only what is not there yet.

A day is due once it has ended, the longest stream and a lease's life have passed, and
its rollup is proven complete. Its first posting is revision 1; what comes later, as a
correction does, is revision 2, 3 ... with only the difference, which may be negative.

Failure: one transaction per tenant; killed in between, the days not yet posted are
still listed as changed. Two runs at once wait for each other per day, and the second
finds nothing left. Owns: day postings.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from kit.contracts import TokenClass
from kit.orm.atomic import atomic, cursor
from metering.ledger.models import Account, DayPosting, Transaction
from metering.ledger.posting import Amount, Posting, post
from metering.ledger.turns import hold_books
from metering.pricing.rating import CHARGED_CLASSES
from metering.usage.epochs import LEASE_LIFE
from metering.usage.selectors import changed_days
from metering.usage.services import roll_up_proven, take_changed_days

LONGEST_STREAM = dt.timedelta(hours=1)
DAY_GRACE = LONGEST_STREAM + LEASE_LIFE
DAYS_PER_TRANSACTION = 31

_GROWTH = """
    WITH rolled AS (
        SELECT date, price_id, token_class, sum(quantity) AS quantity,
            sum(charge_picos) AS charge_picos
        FROM usage_dayrollup
        WHERE tenant_id = %(tenant)s AND date = ANY(%(dates)s::date[])
            AND token_class = ANY(%(classes)s::smallint[])
        GROUP BY date, price_id, token_class
    ),
    posted AS (
        SELECT date, price_id, token_class, sum(quantity) AS quantity,
            sum(charge_picos) AS charge_picos, max(revision) AS revision
        FROM ledger_dayposting
        WHERE tenant_id = %(tenant)s AND date = ANY(%(dates)s::date[])
        GROUP BY date, price_id, token_class
    )
    SELECT date, price_id, token_class, coalesce(posted.revision, 0) + 1,
        rolled.quantity - coalesce(posted.quantity, 0),
        rolled.charge_picos - coalesce(posted.charge_picos, 0),
        book.currency, day.ends_at
    FROM rolled
    LEFT JOIN posted USING (date, price_id, token_class)
    JOIN usage_billingday day USING (date)
    JOIN pricing_price price ON price.id = price_id
    JOIN pricing_pricebookversion version ON version.id = price.version_id
    JOIN pricing_pricebook book ON book.id = version.book_id
    WHERE day.tenant_id = %(tenant)s AND (
        rolled.quantity <> coalesce(posted.quantity, 0)
        OR rolled.charge_picos <> coalesce(posted.charge_picos, 0)
    )
    ORDER BY date, price_id, token_class
"""


@dataclass(frozen=True, slots=True)
class PostedDays:
    """What one run posted, and before which instant usage was proven complete."""

    postings: int
    proven_to: dt.datetime


@dataclass(frozen=True, slots=True)
class _Growth:
    """What one price and token class of a day grew by since it was last posted."""

    date: dt.date
    price_id: int
    token_class: int
    revision: int
    quantity: int
    charge_picos: int
    currency: str
    ends_at: dt.datetime


def post_days(*, now: dt.datetime, tenant_id: int | None = None) -> PostedDays:
    """Roll up and post every due day of all tenants, or of one."""
    proven_to = roll_up_proven(now=now)
    due = changed_days(ended_by=min(proven_to, now - DAY_GRACE), tenant_id=tenant_id)
    postings = 0
    for tenant, dates in due.items():
        for first in range(0, len(dates), DAYS_PER_TRANSACTION):
            postings += _post_days(tenant, dates[first : first + DAYS_PER_TRANSACTION])
    return PostedDays(postings, proven_to)


def _post_days(tenant_id: int, dates: Sequence[dt.date]) -> int:
    with atomic():
        hold_books(tenant_ids=[tenant_id])
        taken = take_changed_days(tenant_id=tenant_id, dates=dates)
        # Read in a later statement than the one that took the days: a rollup that had
        # one of them in hand is seen.
        growths = _growths(tenant_id, taken)
        ids = post(postings=[_posting(tenant_id, growth) for growth in growths])
        DayPosting.objects.bulk_create(
            DayPosting(
                tenant_id=tenant_id,
                date=growth.date,
                price_id=growth.price_id,
                token_class=growth.token_class,
                revision=growth.revision,
                quantity=growth.quantity,
                charge_picos=growth.charge_picos,
                transaction_id=pk,
            )
            for growth, pk in zip(growths, ids, strict=True)
        )
    return len(growths)


def _growths(tenant_id: int, dates: Sequence[dt.date]) -> list[_Growth]:
    with cursor() as session:
        session.execute(
            _GROWTH,
            {
                "tenant": tenant_id,
                "dates": list(dates),
                "classes": [int(each) for each in CHARGED_CLASSES],
            },
        )
        return [
            _Growth(
                date=date,
                price_id=price_id,
                token_class=token_class,
                revision=revision,
                quantity=int(quantity),
                charge_picos=int(charge_picos),
                currency=currency,
                ends_at=ends_at,
            )
            for (
                date,
                price_id,
                token_class,
                revision,
                quantity,
                charge_picos,
                currency,
                ends_at,
            ) in session.fetchall()
        ]


def _posting(tenant_id: int, growth: _Growth) -> Posting:
    name = TokenClass(growth.token_class).name.lower()
    return Posting(
        tenant_id=tenant_id,
        kind=Transaction.Kind.USAGE,
        source=f"{growth.date} price {growth.price_id} {name} r{growth.revision}",
        currency=growth.currency,
        occurred_at=growth.ends_at,
        amounts=(
            Amount(Account.Kind.ACCRUED, growth.charge_picos),
            Amount(Account.Kind.REVENUE, -growth.charge_picos),
        ),
    )
