"""Everybody who takes part: the engine alone, nginx, the peers that are here, ours."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial

from tests.bench.machine import Cores
from tests.bench.peers.environments import PEERS, programs
from tests.bench.peers.running import running_peer
from tests.bench.product import running_tollgate
from tests.bench.targets import (
    DIRECT,
    NGINX,
    TOLLGATE,
    Engine,
    Target,
    direct,
    nginx,
)


def here() -> list[str]:
    """Return the names of what can be measured on this machine."""
    plain = [NGINX] if shutil.which(NGINX) else []
    return [DIRECT, *plain, *(name for name in PEERS if programs(name)), TOLLGATE]


@contextlib.contextmanager
def running(
    names: Sequence[str], engine: Engine, cores: Cores
) -> Iterator[list[Target]]:
    """Run what is to be measured, all at once: only one of them is busy at a time."""
    ways: Mapping[str, Callable[[Engine, Cores], AbstractContextManager[Target]]] = {
        DIRECT: direct,
        NGINX: nginx,
        TOLLGATE: running_tollgate,
        **{name: partial(running_peer, name) for name in PEERS},
    }
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(ways[name](engine, cores)) for name in names]
