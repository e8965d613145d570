"""A Stripe that holds our invoices."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from pytest_django import Settings

from tests.standins.stripe import StripeStandIn

if TYPE_CHECKING:
    from tests.metering.collection.following.scene import Scene


@pytest.fixture(autouse=True)
def unpaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call as fast as the stand-in answers."""
    from metering.billing.limiting import Pace  # noqa: PLC0415

    monkeypatch.setattr(Pace, "wait", lambda *_: None)


@pytest.fixture
def scene(operator_db: None, settings: Settings) -> Iterator["Scene"]:
    """Provide the account behind our key, and us."""
    # Django is set up after the conftests are imported.
    from tests.metering.collection.following.scene import Scene  # noqa: PLC0415

    with StripeStandIn() as standin:
        settings.STRIPE_API_BASE = standin.url
        yield Scene(standin)
