"""The whole course: use an installation for three months, and bill each."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.databases import Database
from tests.scale.credit import give_credit
from tests.scale.equal import Books, compare
from tests.scale.events import write_events
from tests.scale.plans import agree
from tests.scale.sizes import MONTHS, Scale, closes_at
from tests.scale.work import STEPS, Done, do
from tests.scale.world import World


@dataclass(slots=True)
class Course:
    """What was done, in order, and how the books stand at the end."""

    scale: Scale
    books: Books
    steps: list[Done] = field(default_factory=list)

    def total(self, name: str) -> Done:
        """Return one step over all phases."""
        parts = [step for step in self.steps if step.name == name]
        return Done(
            name,
            sum(part.count for part in parts),
            sum(part.seconds for part in parts),
            sum(part.cpu_s for part in parts),
            max(part.rss_bytes for part in parts),
        )


def run(
    database: Database,
    world: World,
    scale: Scale,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> Course:
    """Go through all phases, then compare the books."""
    steps: list[Done] = []
    for phase in range(len(MONTHS)):
        started = time.monotonic()
        given = agree(world, phase) + give_credit(world, scale, phase)
        steps.append(Done("agree", given, time.monotonic() - started, 0, 0))
        started = time.monotonic()
        written = write_events(database, scale, phase)
        took = time.monotonic() - started
        steps.append(Done("write events", written, took, 0, 0))
        for name in STEPS:
            done = do(
                name, database=database, now=closes_at(phase), workers=scale.workers
            )
            steps.append(done)
            say(
                f"month {phase + 1}: {name} {done.count:,} in {done.seconds:.1f} s, "
                f"{done.rss_bytes >> 20} MiB"
            )
    started = time.monotonic()
    books = compare(database)
    say(f"compared in {time.monotonic() - started:.1f} s")
    return Course(scale, books, steps)
