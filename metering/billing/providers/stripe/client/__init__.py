"""Stripe's API as far as we need it: the only package that loads its SDK.

`client_for(name)` gives an account of the settings, with a subject for each kind of
object: `client_for("default").invoices.read("in_1")`. A file a subject; each takes
plain parameters and a key, and gives frozen answers of its own. No object of the SDK
leaves.
"""

from metering.billing.providers.stripe.client.account import StripeAccount, client_for
from metering.billing.providers.stripe.client.invoices import RemoteInvoice, RemoteLine
from metering.billing.providers.stripe.client.transport import API_VERSION

__all__ = (
    "API_VERSION",
    "RemoteInvoice",
    "RemoteLine",
    "StripeAccount",
    "client_for",
)
