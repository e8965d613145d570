"""The whole course: make the installation, use it for three months, bill each."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.databases import Database
from tests.scale.credit import count_use, give_credit
from tests.scale.equal import Books, compare
from tests.scale.events import prepare, write_events
from tests.scale.sizes import MONTHS, Scale, closes_at
from tests.scale.work import STEPS, Done, do
from tests.scale.world import make_world


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
    database: Database, scale: Scale, *, say: Callable[[str], None] = lambda _: None
) -> Course:
    """Go through all phases, then compare the books."""
    steps: list[Done] = []
    started = time.monotonic()
    prepare(database, world := make_world(scale))
    say(f"{scale.tenants} tenants, {len(world.places)} places")
    steps.append(Done("make tenants", scale.tenants, time.monotonic() - started, 0, 0))
    for phase in range(len(MONTHS)):
        started = time.monotonic()
        given = give_credit(world, scale, phase)
        steps.append(Done("give credit", given, time.monotonic() - started, 0, 0))
        started = time.monotonic()
        written = write_events(database, scale, phase)
        count_use(database, written)
        took = time.monotonic() - started
        steps.append(Done("write events", written.events, took, 0, 0))
        for name in STEPS:
            done = do(
                name, database=database, now=closes_at(phase), workers=scale.workers
            )
            steps.append(done)
            say(f"phase {phase + 1}: {done}")
    return Course(scale, compare(database), steps)
