"""One gateway and two of its keys: what limits and a budget cost a request.

Both keys are of one tenant, whose own limits would be the same for both, so in this run
the limits are on the key alone. Failure: as for `targets`.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from tests.bench.machine import Cores
from tests.bench.product import running_everything
from tests.bench.targets import Engine, Target

LIMITED, UNLIMITED = "limited key", "no limits"


@contextlib.contextmanager
def running_keys(engine: Engine, cores: Cores) -> Iterator[list[Target]]:
    """Run one product; a target for each key, the one without limits first."""
    with running_everything(engine, cores, holders=["key"]) as (target, product):
        yield [
            replace(target, name=UNLIMITED, key=product.api_key),
            replace(target, name=LIMITED),
        ]
