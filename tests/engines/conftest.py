"""One engine and one product in front of it for all the journeys of this folder."""

from collections.abc import Iterator

import pytest

from tests.engines.engine import Engine
from tests.engines.vllm_server import running_engine
from tests.journeys.main_job import stripe_settings
from tests.journeys.product import Product, running_product
from tests.standins.stripe.server import StripeStandIn


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Provide a real vLLM: ours, or the one at `ENGINE_URL`."""
    with running_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def stripe() -> Iterator[StripeStandIn]:
    """Provide the stand-in of Stripe that the product issues its invoices at."""
    with StripeStandIn() as stripe:
        yield stripe


@pytest.fixture(scope="session")
def product(engine: Engine, stripe: StripeStandIn) -> Iterator[Product]:
    """Provide a running product whose one model is served by `engine`."""
    with running_product(
        engine_url=engine.url, engine_model=engine.model, env=stripe_settings(stripe)
    ) as product:
        yield product
