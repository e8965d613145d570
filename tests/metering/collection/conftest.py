"""Installations that collect through Stripe: the stand-in of it, in front of all."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from pytest_django import Settings

from tests.api.conftest import caller
from tests.standins.stripe import StripeStandIn

__all__ = ["caller"]


@pytest.fixture(autouse=True)
def stripe_settings(settings: Settings) -> None:
    settings.BILLING_PROVIDER = "stripe"
    settings.STRIPE_API_KEY = "sk_test_any"


@pytest.fixture
def standin(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StripeStandIn]:
    """Run the stand-in, and let every call go there, none tried again by the SDK."""
    # Django is set up after the conftests are imported.
    from metering.billing.providers.stripe.client import account  # noqa: PLC0415

    with StripeStandIn() as running:
        settings.STRIPE_API_BASE = running.url

        @cache
        def client(named: Any, base: str, timeout_ms: int) -> Any:
            return account.StripeAccount(
                api_key=named.api_key, api_base=base, network_retries_max=0
            )

        monkeypatch.setattr(account, "_client", client)
        yield running
