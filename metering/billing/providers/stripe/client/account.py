"""A Stripe account as our code calls it: a subject each, found by the account's name.

Failure: see `transport`. Owns one client for each account, made when first asked for.
"""

from functools import lru_cache

from django.conf import settings

from metering.billing.accounts import Account, account_named
from metering.billing.limiting import Pace
from metering.billing.providers.stripe.client.balances import Balances
from metering.billing.providers.stripe.client.checkout import Checkouts
from metering.billing.providers.stripe.client.collected import Collected
from metering.billing.providers.stripe.client.customers import Customers
from metering.billing.providers.stripe.client.disputes import Disputes
from metering.billing.providers.stripe.client.events import Events
from metering.billing.providers.stripe.client.invoices import Invoices
from metering.billing.providers.stripe.client.meters import Meters
from metering.billing.providers.stripe.client.methods import Methods
from metering.billing.providers.stripe.client.notes import Notes
from metering.billing.providers.stripe.client.payments import Payments
from metering.billing.providers.stripe.client.portal import Portal
from metering.billing.providers.stripe.client.refunds import Refunds
from metering.billing.providers.stripe.client.tax_ids import TaxIds
from metering.billing.providers.stripe.client.taxes import Taxes
from metering.billing.providers.stripe.client.transport import (
    NETWORK_RETRIES_MAX,
    Transport,
)

LIVE_PER_S = 80
TEST_PER_S = 20
ENDPOINT_PER_S = 20
_ACCOUNTS_MAX = 64


class StripeAccount:
    """One Stripe account; threads may share it."""

    def __init__(
        self,
        *,
        api_key: str,
        api_base: str = "",
        timeout_ms: int = 30_000,
        network_retries_max: int = NETWORK_RETRIES_MAX,
        pace: Pace | None = None,
    ) -> None:
        transport = Transport(
            api_key=api_key,
            api_base=api_base,
            timeout_ms=timeout_ms,
            network_retries_max=network_retries_max,
            pace=pace,
        )
        self.balances = Balances(transport)
        self.collected = Collected(transport)
        self.customers = Customers(transport)
        self.disputes = Disputes(transport)
        self.events = Events(transport)
        self.invoices = Invoices(transport)
        self.payments = Payments(transport)
        self.checkouts = Checkouts(transport)
        self.refunds = Refunds(transport)
        self.meters = Meters(transport)
        self.methods = Methods(transport)
        self.tax_ids = TaxIds(transport)
        self.taxes = Taxes(transport)
        self.portal = Portal(transport)
        self.notes = Notes(transport)


def client_for(name: str) -> StripeAccount:
    """Return the account of this name in our settings; raises `UnknownAccount`."""
    return _client(
        account_named(name), settings.STRIPE_API_BASE, settings.STRIPE_TIMEOUT_MS
    )


@lru_cache(maxsize=_ACCOUNTS_MAX)
def _client(account: Account, api_base: str, timeout_ms: int) -> StripeAccount:
    return StripeAccount(
        api_key=account.api_key,
        api_base=api_base,
        timeout_ms=timeout_ms,
        pace=pace_of(account),
    )


def pace_of(account: Account) -> Pace:
    """Return how fast an account may be called: below its limits, which others share.

    Stripe takes 100 calls a second for real money and 25 for tests, and 25 of each
    endpoint.
    """
    per_s = LIVE_PER_S if account.is_live else TEST_PER_S
    return Pace(account.name, account_per_s=per_s, endpoint_per_s=ENDPOINT_PER_S)
