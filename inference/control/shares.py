"""How much of a model's requests each replica is given, by weights and slots. Pure.

What it comes to in the long run, where all are as quick: load is kept even, and a
replica's load is what runs there for each slot and weight. Canaries stand apart: they
get their own part of the requests, and share that among themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Weighted(Protocol):
    """A replica, as far as its share depends on it."""

    @property
    def slots(self) -> int:
        """Return how many requests it runs at a time."""
        ...

    @property
    def weight(self) -> int:
        """Return how much it is given for each slot."""
        ...

    @property
    def canary(self) -> bool:
        """Tell whether it is a canary."""
        ...

    @property
    def state(self) -> str:
        """Return what an operator set."""
        ...


_ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole; `whole` is 0 where nobody is given anything."""

    part: int
    whole: int

    @property
    def percent(self) -> str:
        """Return it in percent, to a tenth."""
        tenths = self.part * 1000 // self.whole if self.whole else 0
        return f"{tenths // 10}.{tenths % 10} %"


def share_of(
    replica: Weighted, others: Sequence[Weighted], *, weight: int | None = None
) -> Share:
    """Return a replica's share beside the others of its model, by another weight too.

    Among those that are canaries as it is, or are not; one that is not active has none.
    """
    own = replica.slots * (replica.weight if weight is None else weight)
    part = own if replica.state == _ACTIVE else 0
    rest = sum(
        each.slots * each.weight
        for each in others
        if each.state == _ACTIVE and each.canary == replica.canary
    )
    return Share(part, part + rest)
