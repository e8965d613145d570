"""What a client is told of its limits, in the words that OpenAI's clients know.

Of several rules for one unit the tightest is told: of a refused request the one that
makes it wait longest, else the one with the least left. A client that waits as it is
told passes, unless somebody else comes first. Pure.
"""

from inference.limiting.limiter import Standing, Unit, Verdict

US_PER_MS = 1_000
US_PER_SECOND = 1_000_000
FLOWS = tuple(unit for unit in Unit if unit is not Unit.CONCURRENT_REQUESTS)


def limit_headers(verdict: Verdict) -> dict[str, str]:
    """Return the headers of an answer to a request with this verdict."""
    headers: dict[str, str] = {}
    for unit in FLOWS:
        of_unit = [each for each in verdict.standings if each.charge.rule.unit is unit]
        if not of_unit:
            continue
        tightest = min(of_unit, key=_room)
        name = unit.replace("_", "-")
        headers[f"x-ratelimit-limit-{name}"] = str(tightest.charge.rule.limit)
        headers[f"x-ratelimit-remaining-{name}"] = str(tightest.remaining)
        headers[f"x-ratelimit-reset-{name}"] = duration(tightest.reset_us)
    if verdict.allowed:
        return headers
    wait = verdict.retry_after_us
    headers["x-should-retry"] = "false" if wait is None else "true"
    if wait is not None:
        headers["retry-after"] = str(_up(wait, US_PER_SECOND))
        headers["retry-after-ms"] = str(_up(wait, US_PER_MS))
    return headers


def duration(us: int) -> str:
    """Return a time rounded up to milliseconds, such as `6m0s`, `1.5s` or `20ms`."""
    ms = _up(us, US_PER_MS)
    if 0 < ms < 1000:
        return f"{ms}ms"
    minutes, ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds, ms = divmod(ms, 1000)
    rest = f"{seconds}.{ms:03}".rstrip("0") if ms else str(seconds)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _room(standing: Standing) -> tuple[float, int, int]:
    wait = standing.wait_us
    return (
        -float("inf") if wait is None else -wait,
        standing.remaining,
        -standing.reset_us,
    )


def _up(value: int, step: int) -> int:
    return -(-value // step)
