"""Which accounts are told of use, and by which names of events."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from metering.billing.accounts import DEFAULT, Account, accounts


@dataclass(frozen=True, slots=True)
class Currencies:
    """The currencies that an account takes: these, or all but these."""

    codes: tuple[str, ...]
    takes_these: bool


def told_accounts() -> Iterator[Account]:
    """Give the accounts whose meters are told of use."""
    for account in accounts():
        if account.meter_events:
            yield account


def event_names() -> dict[str, str]:
    """Return what is told of use, each with the name of its events."""
    return dict(settings.STRIPE_METERS)


def currencies_of(account: Account) -> Currencies:
    """Return what an account takes; the first one takes what no other does."""
    if account.name != DEFAULT:
        return Currencies(tuple(sorted(account.currencies)), takes_these=True)
    others = {
        currency
        for each in accounts()
        if each.name != DEFAULT
        for currency in each.currencies
    }
    return Currencies(tuple(sorted(others)), takes_these=False)
