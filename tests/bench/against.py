"""Two checkouts beside each other: whether a change makes the gateway cheaper.

Each runs a whole product of its own, for their schemas and snapshots may differ, in
front of one simulator, and they are measured in turns. Their idle workers stay off the
gateways' core. Failure: as for `targets`.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.bench.machine import Cores
from tests.bench.product import running_tollgate
from tests.bench.targets import BenchError, Engine, Target
from tests.journeys.product import ROOT

HERE, THERE = "here", "there"


@contextlib.contextmanager
def running_both(other: Path, engine: Engine, cores: Cores) -> Iterator[list[Target]]:
    """Run the other checkout's product and this one's; the other is the base."""
    root = other.expanduser().resolve()
    if not (root / "platform" / "config" / "gateway.py").is_file():
        raise BenchError(f"{other} is no checkout of Tollgate")
    with (
        running_tollgate(engine, cores, name=THERE, root=root) as theirs,
        running_tollgate(engine, cores, name=HERE, root=ROOT) as ours,
    ):
        yield [theirs, ours]
