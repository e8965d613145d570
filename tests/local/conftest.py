"""A folder of state for supervised processes."""

from collections.abc import Iterator

import pytest

from config.local.state import State
from tests.journeys.product import temporary_state


@pytest.fixture
def state() -> Iterator[State]:
    """Provide an empty STATE_DIR."""
    with temporary_state() as root:
        yield State(root)
