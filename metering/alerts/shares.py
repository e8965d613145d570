"""Which shares of a limit are crossed, which are clear again, and which one is told.

A share is an edge: once crossed it stands, whatever is used after, until the limit is
raised so far that it is not reached any more. Of all that are crossed at once the
highest is told, and one that lies below another that stands is not.

The whole of a hard limit counts as used when less than a thousandth of it is left: the
last request is refused because it would take more than is left, so that the whole is
seldom used to the last unit. Failure: none. Pure; amounts are picos or tokens.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

WHOLE = 100
_LEFT_OF_SPENT = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from how much is used.

    `crossed` and `cleared` are shares; `told` is the one of the crossed that is told.
    `due_amount` is the use at which another one will be crossed, None for never.
    """

    crossed: tuple[int, ...] = ()
    cleared: tuple[int, ...] = ()
    told: int | None = None
    is_resumed: bool = False
    due_amount: int | None = None


def level(share: int, *, limit: int, is_hard: bool) -> int:
    """Return the least use at which a share of a limit is reached."""
    if share == WHOLE and is_hard:
        return -(-limit * (_LEFT_OF_SPENT - 1) // _LEFT_OF_SPENT)
    return -(-limit * share // WHOLE)


def judge(
    *,
    used: int,
    limit: int | None,
    is_hard: bool,
    warn_at: Collection[int],
    standing: Mapping[int, int],
) -> Verdict:
    """Judge the use of a window under one limit, or under none any more.

    `standing` are the shares that stand crossed, each with the limit of then. A limit
    of nothing is somebody's decision and no use: it crosses and clears nothing.
    """
    if limit is None:
        return Verdict(
            cleared=tuple(sorted(standing)), is_resumed=is_hard and WHOLE in standing
        )
    if limit == 0:
        return Verdict()
    levels = {
        share: level(share, limit=limit, is_hard=is_hard)
        for share in sorted({*warn_at, *standing, WHOLE})
    }
    cleared = tuple(
        share
        for share, then in sorted(standing.items())
        if used < levels[share] and (limit > then or (share == WHOLE and is_hard))
    )
    stands = standing.keys() - set(cleared)
    wanted = {*warn_at, WHOLE} - stands
    crossed = tuple(share for share in sorted(wanted) if used >= levels[share])
    highest = max(crossed, default=0)
    return Verdict(
        crossed=crossed,
        cleared=cleared,
        told=highest if highest > max(stands, default=0) else None,
        is_resumed=is_hard and WHOLE in cleared,
        due_amount=min(
            (levels[share] for share in wanted - set(crossed)), default=None
        ),
    )
