"""Which replicas are there, as what counts their cost is told of it.

`inference.control` lists them; `metering.economics` keeps when each was there, and what
that costs. Pure and immutable.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReplicaThere:
    """A replica that is paid for: it serves, or ends what it has begun.

    `model` is the served model that it was added for, `models` all that it answers to:
    that one and the adapters on it. `added_at` is when it was added.
    """

    replica_id: int
    name: str
    model: str
    models: tuple[str, ...]
    engine: str
    added_at: dt.datetime


ReplicaLister = Callable[[], Sequence[ReplicaThere]]
