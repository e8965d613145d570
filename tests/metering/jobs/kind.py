"""A kind of job for tests: it adds numbers up, and meets whatever a test puts in."""

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from metering.jobs import services
from metering.jobs.kinds import Kind, Step, Stepped, forget, register
from metering.jobs.models import Job

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
NAME = "tests.add_up"
LEAVING = "Numbers that were added up stay so."


@dataclass
class Adding:
    """Add up 1 to `to`, a number a step; `meet` is called within each step."""

    meet: Callable[[Step], None] = lambda step: None
    wait: dt.timedelta | None = None
    steps: list[int] = field(default_factory=list)

    def step(self, step: Step) -> Stepped:
        """Add the next number."""
        last, total = step.place.get("last", 0), step.place.get("total", 0)
        number, to = last + 1, step.asked["to"]
        self.meet(step)
        self.steps.append(number)
        return Stepped(
            place={"last": number, "total": total + number},
            done=number,
            whole=to,
            is_finished=number == to,
            not_before=step.now + self.wait if self.wait else None,
            outcome={"total": total + number},
        )


@contextmanager
def adding(cancelling: str = LEAVING, right: str = "") -> Iterator[Adding]:
    """Let jobs of the kind be asked for."""
    made = Adding()
    register(
        Kind(
            name=NAME,
            label="Adding up",
            unit="numbers",
            step=made.step,
            cancelling=cancelling,
            right=right,
        )
    )
    try:
        yield made
    finally:
        forget(NAME)


def ask(to: int = 3, subject: str = "1") -> Job:
    """Ask for a job of the kind."""
    return services.ask(
        kind=NAME, subject=subject, title=f"Add up to {to}", asked={"to": to}
    )
