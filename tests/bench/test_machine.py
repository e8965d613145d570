"""Where the bench keeps its processes: what is measured stays on a core of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.bench.machine import Cores, pin, pin_alone

_WAIT = "import sys; sys.stdin.read()"


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process that does nothing, and leave this one where it was."""
    before = os.sched_getaffinity(0)
    with subprocess.Popen(
        [sys.executable, "-c", _WAIT], stdin=subprocess.PIPE
    ) as process:
        yield process
        os.sched_setaffinity(0, before)


@pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="one core cannot be divided"
)
def test_the_client_s_core_is_not_the_gateway_s(
    child: "subprocess.Popen[bytes]",
) -> None:
    cores = Cores.divided()
    pin(child.pid, cores.gateway)
    pin_alone(cores.client)
    assert os.sched_getaffinity(0) == cores.client
    assert os.sched_getaffinity(child.pid) == cores.gateway
