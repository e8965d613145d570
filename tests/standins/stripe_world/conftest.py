"""A stand-in of Stripe of its own for each test, and the SDK talking to it."""

import pickle
from collections.abc import Iterator

import pytest
import stripe

from tests.standins.stripe import StripeStandIn


@pytest.fixture
def standin() -> Iterator[StripeStandIn]:
    with StripeStandIn() as running:
        yield running
        # Whatever a test did, a stand-in that is kept in a file comes back with it.
        kept = pickle.dumps(running.engine.account)
        assert pickle.loads(kept).id == running.engine.account.id  # noqa: S301


@pytest.fixture
def client(standin: StripeStandIn) -> stripe.StripeClient:
    return stripe.StripeClient(
        "sk_test_any", base_addresses={"api": standin.url}, max_network_retries=0
    )
