"""A Stripe with meters, and tenants whose use is told to them."""

from typing import TYPE_CHECKING

import pytest
from pytest_django import Settings

from tests.metering.collection.following.conftest import unpaced
from tests.standins.stripe import StripeStandIn

if TYPE_CHECKING:
    from tests.metering.collection.meters.scene import Metered

__all__ = ("unpaced",)


@pytest.fixture
def metered(operator_db: None, settings: Settings, standin: StripeStandIn) -> "Metered":
    """Provide an account whose meters are told of use, and a tenant with a price."""
    # Django is set up after the conftests are imported.
    from tests.metering.collection.meters.scene import Metered  # noqa: PLC0415

    settings.STRIPE_METER_EVENTS = True
    settings.STRIPE_CONCURRENCY = 1
    return Metered(standin)
