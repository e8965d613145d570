"""Each scenario at the stand-in, and given STRIPE_TEST_KEY in a real test account."""

import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import stripe
from pytest_django import Settings

from tests.standins.stripe import StripeStandIn

if TYPE_CHECKING:
    from tests.journeys.stripe.worlds import World

TEST_PREFIXES = ("sk_test_", "rk_test_")


@pytest.fixture(params=["stand-in", "test account"])
def world(
    request: pytest.FixtureRequest, operator_db: None, settings: Settings
) -> Iterator["World"]:
    """Provide a Stripe account, and let the product use it."""
    # Django is set up after the conftests are imported.
    from tests.journeys.stripe import worlds  # noqa: PLC0415

    settings.BILLING_PROVIDER = "stripe"
    if request.param == "stand-in":
        with StripeStandIn() as standin:
            settings.STRIPE_API_KEY = "sk_test_any"
            settings.STRIPE_API_BASE = standin.url
            yield worlds.StandInWorld(standin, _client("sk_test_any", standin.url))
        return
    key = os.environ.get("STRIPE_TEST_KEY", "")
    if not key:
        pytest.skip("STRIPE_TEST_KEY is not given")
    if not key.startswith(TEST_PREFIXES):
        pytest.fail("STRIPE_TEST_KEY is not the key of a test account")
    settings.STRIPE_API_KEY = key
    settings.STRIPE_API_BASE = ""
    _number_anew()
    yield worlds.TestAccount(_client(key))


def _client(key: str, base: str = "") -> stripe.StripeClient:
    from metering.billing.providers.stripe.client import API_VERSION  # noqa: PLC0415

    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": base} if base else {},
    )


def _number_anew() -> None:
    """Begin numbers where no earlier run has been: an account takes each once."""
    from metering.billing.models import Seller  # noqa: PLC0415

    Seller.objects.create(name="Tollgate", last_number=time.time_ns() // 1_000_000)
