"""Divide what a day of replicas cost over those who used them, and the rest. Pure.

The formula. Work is counted in output tokens: an output token is 1000, an input token
the rate's weight of input, one that the engine's cache held its weight of cached input.
In an hour, the replicas of a model can do their tokens per second x 1000 x the seconds
that they were there. The busy share of the hour is work / what they can do, at most 1;
that share of what the hour cost falls on those who used it, by their work, and the rest
is idle. Where nobody said what the replicas can do, all of an hour with work is busy.

What a replica cost in an hour is rounded half up to a millionth of the currency's unit;
from there on nothing is lost: whatever is divided is divided by largest remainder, so
that parts always come to the whole. Failure: none.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

HOUR_US = 3_600_000_000
SECOND_US = 1_000_000
# An output token's weight, and what makes of thousandths whole numbers.
PERMILLE = 1000
IDLE = None
# The smallest amount of a cost, in picos.
STEP_PICOS = 10**6


@dataclass(frozen=True, slots=True)
class Presence:
    """One replica's time in an hour, and what its rate says.

    Without `picos_per_hour` nobody entered a rate; without `tokens_per_s` nobody said
    what it can do.
    """

    hour: int
    us: int
    currency: str
    picos_per_hour: int | None
    tokens_per_s: int | None


@dataclass(frozen=True, slots=True)
class Work:
    """What one tenant had done by one model in an hour, in thousandths of tokens."""

    hour: int
    tenant_id: int
    model: str
    permille: int


Whose = tuple[int | None, str]


def divided(total: int, weights: Mapping[Key, int]) -> dict[Key, int]:
    """Divide a whole number by weights, by largest remainder; parts sum to it.

    Of equal remainders the first in order of their keys' text has the one more.
    Without any weight above zero nothing can be divided: raises `ValueError`.
    """
    whole = sum(weights.values())
    if whole <= 0:
        raise ValueError("nothing to divide by")
    parts, rests = {}, []
    for key, weight in weights.items():
        part, rest = divmod(total * weight, whole)
        parts[key] = part
        rests.append((-rest, str(key), key))
    left = total - sum(parts.values())
    for _, _, key in sorted(rests, key=lambda each: each[:2])[:left]:
        parts[key] += 1
    return parts


def cost_of(us: int, picos_per_hour: int) -> int:
    """Return what a replica cost in so much of an hour, in whole steps of picos."""
    whole = HOUR_US * STEP_PICOS
    # Half up, of what is never negative.
    return (2 * us * picos_per_hour + whole) // (2 * whole) * STEP_PICOS


def cost_by_hour(presences: Iterable[Presence]) -> dict[tuple[int, str], int]:
    """Return what each hour cost, by currency."""
    sums: Counter[tuple[int, str]] = Counter()
    for each in presences:
        if each.picos_per_hour is not None:
            sums[each.hour, each.currency] += cost_of(each.us, each.picos_per_hour)
    return dict(sums)


def shared(
    presences: list[Presence], works: list[Work], *, model: str
) -> dict[str, Counter[Whose]]:
    """Divide what the replicas of `model` cost, by currency, over whom it falls on.

    What falls on nobody is under (`IDLE`, model).
    """
    can: dict[int, int | None] = {}
    for each in presences:
        before = can.get(each.hour, 0)
        if before is None or each.tokens_per_s is None:
            can[each.hour] = None
        else:
            can[each.hour] = before + each.tokens_per_s * PERMILLE * each.us
    done: dict[int, Counter[Whose]] = {}
    for work in works:
        if work.permille > 0:
            row = done.setdefault(work.hour, Counter())
            row[work.tenant_id, work.model] += work.permille
    found: dict[str, Counter[Whose]] = {}
    for (hour, currency), cost in sorted(cost_by_hour(presences).items()):
        parts = found.setdefault(currency, Counter())
        by_whom = done.get(hour, Counter())
        busy = _busy(cost, sum(by_whom.values()) * SECOND_US, can[hour])
        if busy:
            for whose, steps in divided(busy // STEP_PICOS, by_whom).items():
                parts[whose] += steps * STEP_PICOS
        if cost - busy:
            parts[IDLE, model] += cost - busy
    return found


def _busy(cost: int, work: int, can: int | None) -> int:
    """Return the busy part of what an hour cost, rounded half up to whole steps."""
    if not work:
        return 0
    if can is None or work >= can:
        return cost
    whole = can * STEP_PICOS
    return (2 * cost * work + whole) // (2 * whole) * STEP_PICOS
