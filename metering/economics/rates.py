"""Which rate holds for a replica on a day: the nearest level that has one. Pure.

Failure: none; a replica for which nobody entered a rate has none.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

ORDER = ("replica", "model", "engine", "all")


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate as it was entered; `id` counts up, so the later of two is known."""

    id: int
    level: str
    subject: str
    starts_on: dt.date
    currency: str
    picos_per_hour: int | None
    tokens_per_s: int | None
    input_permille: int
    cached_permille: int


class Rates:
    """All rates of a day, asked for by what a replica is."""

    def __init__(self, rates: Iterable[Rate], *, date: dt.date) -> None:
        self._held: dict[tuple[str, str], Rate] = {}
        begun = (each for each in rates if each.starts_on <= date)
        for each in sorted(begun, key=lambda rate: (rate.starts_on, rate.id)):
            self._held[each.level, each.subject] = each

    def of(self, *, replica: str, model: str, engine: str) -> Rate | None:
        """Return the rate in force for a replica; None without one."""
        names = {"replica": replica, "model": model, "engine": engine, "all": ""}
        for level in ORDER:
            rate = self._held.get((level, names[level]))
            if rate is not None and rate.picos_per_hour is not None:
                return rate
        return None

    @property
    def held(self) -> tuple[Rate, ...]:
        """Return the last row of each level and subject."""
        return tuple(self._held.values())
