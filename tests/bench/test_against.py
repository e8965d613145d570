"""What can be compared: another checkout, and nothing else."""

from pathlib import Path

import pytest

from tests.bench.against import running_both
from tests.bench.machine import Cores
from tests.bench.targets import BenchError, Engine

CORE = frozenset({0})


def test_a_folder_that_is_no_checkout_is_not_started(tmp_path: Path) -> None:
    nowhere = Engine(port=1, pid=1)
    cores = Cores(CORE, CORE, CORE, CORE)
    with (
        pytest.raises(BenchError, match="no checkout"),
        running_both(tmp_path, nowhere, cores),
    ):
        pytest.fail("it was started")
