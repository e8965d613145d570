"""Which credit pays for which part of a bill. Pure.

Grants are taken in their one order: priority, expiry (none last), age. Each pays first
for the parts that the fewest of all grants admit, so that credit for anything leaves as
little as it can of what only it could pay for.

Failure: none. What no credit admits or is left for is simply not paid.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bill, in picos: of one served model, or of none as a fee is.

    What is given back is a negative part: it lowers what there is to pay in all.
    """

    model: str | None
    picos: int


@dataclass(frozen=True, slots=True)
class Available:
    """What is left of one grant, in picos; without `models` it pays for everything."""

    grant_id: int
    picos: int
    priority: int
    expires_at: dt.datetime | None
    created_at: dt.datetime
    models: frozenset[str] = frozenset()

    def admits(self, part: Part) -> bool:
        """Tell whether it pays for a part."""
        return not self.models or part.model in self.models

    @property
    def turn(self) -> tuple[int, bool, dt.datetime, dt.datetime, int]:
        """Return its place in the one order; no two are equal."""
        last = self.expires_at is None
        expiry = self.created_at if self.expires_at is None else self.expires_at
        return (self.priority, last, expiry, self.created_at, self.grant_id)


@dataclass(frozen=True, slots=True)
class Allotted:
    """What one grant pays of one part's model; None for use of any model, and fees."""

    grant_id: int
    model: str | None
    picos: int


def allot(available: Sequence[Available], parts: Sequence[Part]) -> list[Allotted]:
    """Return what each grant pays, in the order in which they burn.

    Never more than a part comes to, than is left of a grant, or than all parts come to
    together. The order of `available` changes nothing, nor does a model that is in
    several parts.
    """
    rest_of_bill = max(sum(part.picos for part in parts), 0)
    rest = _by_model(parts)
    order = _narrowest_first(available, rest)
    found: list[Allotted] = []
    for grant in sorted(available, key=lambda each: each.turn):
        left = grant.picos
        for model in order:
            if not grant.admits(Part(model, 0)):
                continue
            taken = min(left, rest[model], rest_of_bill)
            if taken <= 0:
                continue
            found.append(Allotted(grant.grant_id, model, taken))
            left -= taken
            rest[model] -= taken
            rest_of_bill -= taken
    return found


def _by_model(parts: Sequence[Part]) -> dict[str | None, int]:
    sums: dict[str | None, int] = {}
    for part in parts:
        sums[part.model] = sums.get(part.model, 0) + part.picos
    return sums


def _narrowest_first(
    available: Sequence[Available], rest: dict[str | None, int]
) -> list[str | None]:
    """Return the models, those that the fewest grants admit first, then by name."""

    def width(model: str | None) -> tuple[int, bool, str]:
        part = Part(model, 0)
        admitted = sum(grant.admits(part) for grant in available)
        return (admitted, model is None, model or "")

    return sorted(rest, key=width)
