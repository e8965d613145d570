"""What engines say that they have counted, as reconciliation is told of it.

`inference.control` reads them; `metering.reconciliation` holds them against what was
billed. Pure and immutable.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineCount:
    """What one engine process says that it has counted since it started.

    `asked_at` and `answered_at` enclose the instant of the counts, by the database's
    clock. `replica_ids` name all replicas that were reached at this address, and
    `known_since` is when the first of them was added. `mark` tells one process from the
    next, empty where the engine gives none; `started_at` is by the engine's own clock.
    `extra_samples` is by how many the answers exceed the prompts that they were asked
    for with, and `samples_max` the most that any prompt was answered with.
    """

    address: str
    replica_ids: tuple[int, ...]
    known_since: dt.datetime
    asked_at: dt.datetime
    answered_at: dt.datetime
    context_tokens: int
    answer_tokens_max: int
    engine: str
    mark: str
    started_at: dt.datetime | None
    prompt_tokens: int
    generated_tokens: int
    running: int
    preemptions: int = 0
    extra_samples: int = 0
    samples_max: int = 1


@dataclass(frozen=True, slots=True)
class EngineSilence:
    """An engine that told no counts, and in a few words why.

    `is_lasting` where asking again changes nothing: its kind counts no tokens.
    """

    address: str
    replica_ids: tuple[int, ...]
    asked_at: dt.datetime
    said: str
    is_lasting: bool = False


# Asks every engine that serves; given what tells the database's clock.
EngineReader = Callable[
    [Callable[[], dt.datetime]], Sequence[EngineCount | EngineSilence]
]
