"""The engines of this folder's journeys: real vLLMs, and a product in front of one."""

from collections.abc import Iterator

import pytest

from tests.engines.engine import Engine
from tests.engines.server_process import ServerProcess, running_servers
from tests.engines.vllm_environment import ensure_vllm
from tests.engines.vllm_server import SERVED_MODEL, engine_from_outside, vllm_program
from tests.journeys.main_job import stripe_settings
from tests.journeys.product import Product, running_product
from tests.standins.stripe.server import StripeStandIn

REPLICAS = 2


@pytest.fixture(scope="session")
def replicas() -> Iterator[list[ServerProcess]]:
    """Provide real vLLMs of our own, all serving the same model."""
    if engine_from_outside():
        pytest.skip("needs engines that it may kill: run it without ENGINE_URL")
    program = vllm_program(ensure_vllm())
    with running_servers(*[program] * REPLICAS) as servers:
        yield servers


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Engine:
    """Provide a real vLLM: the first of ours, or the one at `ENGINE_URL`."""
    if theirs := engine_from_outside():
        return theirs
    servers: list[ServerProcess] = request.getfixturevalue("replicas")
    return Engine(url=servers[0].url, model=SERVED_MODEL)


@pytest.fixture(scope="session")
def pooling_server() -> Iterator[ServerProcess]:
    """Provide a real vLLM that writes nothing: it embeds, ranks and scores."""
    if engine_from_outside():
        pytest.skip("needs an engine of its own: run it without ENGINE_URL")
    program = vllm_program(ensure_vllm(), "--runner", "pooling")
    with running_servers(program) as [server]:
        yield server


@pytest.fixture(scope="session")
def stripe() -> Iterator[StripeStandIn]:
    """Provide the stand-in of Stripe that the product issues its invoices at."""
    with StripeStandIn() as stripe:
        yield stripe


@pytest.fixture(scope="session")
def tried_product(engine: Engine) -> Iterator[Product]:
    """Provide another one, for clients that are tried: nobody adds up its books."""
    with running_product(engine_url=engine.url, engine_model=engine.model) as product:
        yield product


@pytest.fixture(scope="session")
def product(engine: Engine, stripe: StripeStandIn) -> Iterator[Product]:
    """Provide a running product whose one model is served by `engine`."""
    with running_product(
        engine_url=engine.url, engine_model=engine.model, env=stripe_settings(stripe)
    ) as product:
        yield product
