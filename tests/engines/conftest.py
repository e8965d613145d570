"""One engine and one product in front of it for all the journeys of this folder."""

from collections.abc import Iterator

import pytest

from tests.engines.engine import Engine
from tests.engines.vllm_server import running_engine
from tests.journeys.product import Product, running_product


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Provide a real vLLM: ours, or the one at `ENGINE_URL`."""
    with running_engine() as engine:
        yield engine


@pytest.fixture(scope="session")
def product(engine: Engine) -> Iterator[Product]:
    """Provide a running product whose one model is served by `engine`."""
    with running_product(engine_url=engine.url, engine_model=engine.model) as product:
        yield product
