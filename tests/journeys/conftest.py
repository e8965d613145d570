"""One product for all the journeys of this folder, on one worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.product import Product, running_product

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the journeys together, so that the product is started once."""
    for item in items:
        if item.path.is_relative_to(HERE) and "product" in getattr(
            item, "fixturenames", ()
        ):
            item.add_marker(pytest.mark.xdist_group("product"))


@pytest.fixture(scope="session")
def product() -> Iterator[Product]:
    """Provide a running product in front of the simulator."""
    with running_product() as product:
        yield product
