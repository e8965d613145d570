"""From an invoice to its provider.

An invoice keeps the provider that was set when its period closed, so that a change of
setting never moves an invoice that is on its way. A provider's module is loaded when it
is first asked for: without Stripe invoices, Stripe's SDK stays out of the process.
"""

from functools import cache

from django.utils.module_loading import import_string

from metering.billing.models import Invoice
from metering.billing.providers.base import BillingProvider

_PROVIDERS = {
    "offline": "metering.billing.providers.offline.OfflineProvider",
    "stripe": "metering.billing.providers.stripe.provider.StripeProvider",
}


class UnknownProvider(LookupError):
    """An invoice names a provider that this version does not have."""


def provider_for(invoice: Invoice) -> BillingProvider:
    """Return the provider that issues this invoice.

    Raises `UnknownProvider`.
    """
    return provider_named(invoice.provider)


@cache
def provider_named(name: str) -> BillingProvider:
    """Return the provider of this name.

    Raises `UnknownProvider`.
    """
    if name not in _PROVIDERS:
        raise UnknownProvider(f"There is no billing provider '{name}'.")
    provider: BillingProvider = import_string(_PROVIDERS[name])()
    return provider
