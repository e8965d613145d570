"""A running stand-in of Stripe, and the provider in front of it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.standins.stripe import StripeStandIn

if TYPE_CHECKING:
    from metering.billing.providers.stripe.provider import StripeProvider


@pytest.fixture
def standin() -> Iterator[StripeStandIn]:
    with StripeStandIn() as running:
        yield running


@pytest.fixture
def stripe_provider(standin: StripeStandIn) -> "StripeProvider":
    """Provide a provider without the SDK's own retries: faults reach the outbox."""
    # Django is set up after the conftests are imported.
    from metering.billing.providers.stripe import client, provider  # noqa: PLC0415

    account = client.StripeAccount(
        api_key="sk_test_any", api_base=standin.url, network_retries_max=0
    )
    return provider.StripeProvider(lambda _: account)
