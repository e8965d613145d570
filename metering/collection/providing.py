"""The provider as collection talks to it.

Its SDK is loaded when somebody is first talked to: a process that only answers requests
never holds it.
"""

from typing import TYPE_CHECKING, cast

from django.utils.module_loading import import_string

if TYPE_CHECKING:
    from metering.billing.providers.stripe.client import StripeAccount

_CLIENTS = "metering.billing.providers.stripe.client.client_for"


def client_of(account: str) -> "StripeAccount":
    """Return an account of our settings to be called; raises `UnknownAccount`."""
    return cast("StripeAccount", import_string(_CLIENTS)(account))
