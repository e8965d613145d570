"""Installations that collect through Stripe."""

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def stripe_settings(settings: Settings) -> None:
    settings.BILLING_PROVIDER = "stripe"
    settings.STRIPE_API_KEY = "sk_test_any"
