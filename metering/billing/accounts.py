"""The accounts that a billing provider keeps for us: whose money goes where.

One account is named `default`; others take the invoices in the currencies that they
list. An invoice, a customer and a call keep the name of their account, so that a change
of settings moves nothing that is on its way.

Failure: a name that the settings no longer have is an `UnknownAccount`. Owns nothing;
keys and secrets stay in the settings and out of every text.
"""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

DEFAULT = "default"


class UnknownAccount(LookupError):
    """Something is of an account that the settings do not have."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account at a provider.

    `account_id` is what the provider calls it, or nothing. Without any
    of `webhook_secrets`, its webhooks are not taken.
    """

    name: str
    api_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    account_id: str = ""
    currencies: frozenset[str] = frozenset()
    automatic_tax: bool = False
    meter_events: bool = False

    @property
    def is_live(self) -> bool:
        """Tell whether its money is real: the key's prefix says so."""
        return self.api_key.partition("_")[2].startswith("live_")


def accounts() -> tuple[Account, ...]:
    """Return every account, the default one first."""
    further = [
        _account(name, given) for name, given in settings.STRIPE_ACCOUNTS.items()
    ]
    if not settings.STRIPE_API_KEY:
        return tuple(further)
    default = Account(
        name=DEFAULT,
        api_key=settings.STRIPE_API_KEY,
        webhook_secrets=tuple(settings.STRIPE_WEBHOOK_SECRETS),
        account_id=settings.STRIPE_ACCOUNT_ID,
        automatic_tax=settings.STRIPE_AUTOMATIC_TAX,
        meter_events=settings.STRIPE_METER_EVENTS,
    )
    return (default, *further)


def account_named(name: str) -> Account:
    """Return the account of this name; raises `UnknownAccount`."""
    for account in accounts():
        if account.name == name:
            return account
    raise UnknownAccount(f"There is no account '{name}' of the billing provider.")


def account_name_for(currency: str) -> str:
    """Return the name of the account that takes invoices in this currency."""
    for name, given in settings.STRIPE_ACCOUNTS.items():
        if currency in given["currencies"]:
            return str(name)
    return DEFAULT


def account_for(currency: str) -> Account:
    """Return the account that takes invoices in this currency.

    Raises `UnknownAccount` where that is the default one and there is none.
    """
    return account_named(account_name_for(currency))


def _account(name: str, given: dict[str, Any]) -> Account:
    return Account(
        name=name,
        api_key=given["api_key"],
        webhook_secrets=tuple(given.get("webhook_secrets", ())),
        account_id=given.get("account_id", ""),
        currencies=frozenset(given["currencies"]),
        automatic_tax=given.get("automatic_tax", False),
        meter_events=given.get("meter_events", False),
    )
