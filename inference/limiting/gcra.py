"""The arithmetic of limits (GCRA), in integers: how full a rule is, and what follows.

A flow's *level* is what is used of it, times its window: with limit L and window W (µs)
a token raises it by W, it falls by L each microsecond, and L * W is full. So nothing is
ever rounded, whatever the limit. Above full it is a debt, which has to drain too.

When a limit changes, the used part of the window stays the same part, and a debt the
same number of tokens. The opposite change undoes it, so that nobody gains anything by
lowering a limit and raising it again.

`bucket.lua` says the same in the store's language; a test holds the two together. Pure.
"""

from inference.limiting.limiter import Charge, Standing, Verdict

# Nobody knows when a request ends: a guess that does no harm.
SLOT_RETRY_US = 1_000_000


def drained(level: int, *, limit: int, elapsed_us: int) -> int:
    """Return the level after a while; a clock that was set back drains nothing."""
    return max(0, level - limit * max(0, elapsed_us))


def rescaled(level: int, *, before: int, after: int, window_us: int) -> int:
    """Return the level under another limit."""
    if before == after:
        return level
    full = before * window_us
    if level > full:
        return after * window_us + level - full
    return -(-level * after // before)


def passes(charge: Charge, level: int) -> bool:
    """Tell whether a rule at this level lets the charge pass.

    The level of concurrency is the number of requests that run.
    """
    rule = charge.rule
    limit, window = rule.limit, rule.window_us
    if not window:
        return level < limit
    return limit > 0 and level + charge.taken * window <= limit * window


def verdict(
    charges: tuple[Charge, ...], levels: list[int], *, allowed: bool
) -> Verdict:
    """Return the answer; the levels are those after what was taken, if it was."""
    return Verdict(
        allowed,
        tuple(
            _standing(charge, level, allowed=allowed)
            for charge, level in zip(charges, levels, strict=True)
        ),
    )


def _standing(charge: Charge, level: int, *, allowed: bool) -> Standing:
    rule = charge.rule
    limit, window = rule.limit, rule.window_us
    if not limit:
        return Standing(charge, 0, 0, None)
    if not window:
        is_full = level >= limit and not allowed
        wait = SLOT_RETRY_US if is_full else 0
        return Standing(charge, max(0, limit - level), 0, wait)
    room = limit * window - level
    wait = 0
    if not allowed and (lacking := charge.taken * window - room) > 0:
        wait = -(-lacking // limit)
    return Standing(charge, max(0, room // window), -(-level // limit), wait)
