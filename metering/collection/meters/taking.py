"""Which currencies each account took in which hours.

Settings say what an account takes now. What it was told of hours before a change stays
its own, and the account that takes a currency from then on is told of later hours: so a
change is kept with the hour in which it was first seen.

Failure: a change that is made back before anybody looked was none. Owns:
`MeterCurrencies`.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from metering.billing.accounts import Account
from metering.collection.meters.asking import Currencies, currencies_of
from metering.collection.models import MeterCurrencies, MeterProgress


@dataclass(frozen=True, slots=True)
class TakenSpan:
    """Hours in which an account took the same currencies."""

    currencies: Currencies
    since: dt.datetime
    until: dt.datetime


def taken_in(
    account: Account, progress: MeterProgress, *, until: dt.datetime
) -> Iterator[TakenSpan]:
    """Yield what an account took before `until`, the latest first.

    What it takes from `until` on is kept, if that is something else.
    """
    rows = list(MeterCurrencies.objects.filter(account=account.name).order_by("-since"))
    now_taken = currencies_of(account)
    if not rows:
        rows = [_keep(account, now_taken, since=progress.told_from)]
    elif _of(rows[0]) != now_taken:
        _keep(account, now_taken, since=until)
    for row in rows:
        if row.since < until:
            yield TakenSpan(_of(row), row.since, until)
            until = row.since


def _keep(
    account: Account, currencies: Currencies, *, since: dt.datetime
) -> MeterCurrencies:
    row, _ = MeterCurrencies.objects.update_or_create(
        account=account.name,
        since=since,
        defaults={
            "codes": ",".join(currencies.codes),
            "takes_these": currencies.takes_these,
        },
    )
    return row


def _of(row: MeterCurrencies) -> Currencies:
    return Currencies(tuple(filter(None, row.codes.split(","))), row.takes_these)
