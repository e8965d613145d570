"""What is measured is durable, or it is not measured."""

import pytest

from tests.bench.product import DURABLE, refuse_unsafe
from tests.bench.targets import BenchError


def test_a_database_that_writes_through_is_measured() -> None:
    refuse_unsafe(DURABLE)


@pytest.mark.parametrize("setting", DURABLE)
def test_one_that_does_not_is_refused(setting: str) -> None:
    with pytest.raises(BenchError, match=f"{setting} = off"):
        refuse_unsafe({**DURABLE, setting: "off"})
