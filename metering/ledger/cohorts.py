"""Cohorts: tenants by the month of their first revenue, and what is left of them since.

A tenant's first revenue is in the first month, of all that are booked, whose net is
above zero, and it is kept in each later month whose net is. So whoever uses only what
is free or was given is in no cohort. Sums are those of months, as in `earned`; single
entries and events are not read. Failure: none; without revenue there are no cohorts.
"""

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from kit.orm.atomic import cursor
from metering.ledger.earned import ACCOUNTS
from metering.ledger.months import month_after

# Revenue is credited; what is taken off it is debited.
_NET = """
WITH net AS MATERIALIZED (
    SELECT moved.tenant_id, moved.month,
        sum(moved.credited_picos) - sum(moved.debited_picos) AS picos
    FROM ledger_movement moved
    JOIN ledger_account account ON account.id = moved.account_id
    WHERE account.kind = ANY (%(accounts)s) AND account.currency = %(currency)s
        AND moved.month <= %(last)s
    GROUP BY moved.tenant_id, moved.month
),
begun AS (
    SELECT tenant_id, min(month) AS cohort FROM net WHERE picos > 0 GROUP BY tenant_id
)
"""
_COHORTS = f"""
{_NET}
SELECT begun.cohort, net.month, count(*) FILTER (WHERE net.picos > 0), sum(net.picos)
FROM begun JOIN net ON net.tenant_id = begun.tenant_id AND net.month >= begun.cohort
WHERE begun.cohort >= %(first)s
GROUP BY begun.cohort, net.month
"""  # noqa: S608 - put together from the constants above
_TENANTS = f"""
{_NET}
SELECT tenant_id FROM begun WHERE cohort = %(first)s
"""  # noqa: S608 - put together from the constants above


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of a cohort in one month: how many brought in what, net."""

    cohort: dt.date
    month: dt.date
    size: int
    first_picos: int
    tenants: int
    picos: int
    currency: str

    @property
    def since(self) -> int:
        """Return how many months after the first it is."""
        months = (self.month.year - self.cohort.year) * 12
        return months + self.month.month - self.cohort.month


def cohorts(
    *, first: dt.date, last: dt.date, currency: str
) -> dict[dt.date, list[Kept]]:
    """Return the cohorts of a range of months, each with its months up to the last."""
    with cursor() as session:
        session.execute(_COHORTS, _asked(first, last, currency))
        rows = session.fetchall()
    found: dict[dt.date, dict[dt.date, tuple[int, int]]] = defaultdict(dict)
    for cohort, month, tenants, picos in rows:
        found[cohort][month] = tenants, int(picos)
    return {
        cohort: [
            Kept(cohort, month, *found[cohort][cohort], *sums, currency)
            for month in _months(cohort, last)
            for sums in [found[cohort].get(month, (0, 0))]
        ]
        for cohort in sorted(found)
    }


def cohort_tenants(*, cohort: dt.date, currency: str) -> frozenset[int]:
    """Return the tenants whose first revenue in a currency was in a month."""
    with cursor() as session:
        session.execute(_TENANTS, _asked(cohort, cohort, currency))
        return frozenset(tenant for (tenant,) in session.fetchall())


def _asked(first: dt.date, last: dt.date, currency: str) -> dict[str, Any]:
    return {
        "first": first,
        "last": last,
        "currency": currency,
        "accounts": [str(each) for each in ACCOUNTS],
    }


def _months(first: dt.date, last: dt.date) -> list[dt.date]:
    months = [first]
    while months[-1] < last:
        months.append(month_after(months[-1]))
    return months
