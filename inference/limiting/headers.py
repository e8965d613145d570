"""What a client is told of its limits, in the words that OpenAI's clients know.

Of several rules for one unit the tightest is told: of a refused request the one that
makes it wait longest, else the one with the least left. A client that waits as it is
told passes, unless somebody else comes first. Pure.
"""

from inference.limiting.limiter import Standing, Unit, Verdict

US_PER_MS = 1_000
US_PER_SECOND = 1_000_000
# The headers of each flow: its limit, what is left of it, when all of it is back.
FLOW_NAMES = tuple(
    (
        unit,
        f"x-ratelimit-limit-{name}",
        f"x-ratelimit-remaining-{name}",
        f"x-ratelimit-reset-{name}",
    )
    for unit in Unit
    if (name := unit.replace("_", "-")) and unit is not Unit.CONCURRENT_REQUESTS
)


def limit_headers(verdict: Verdict) -> dict[str, str]:
    """Return the headers of an answer to a request with this verdict."""
    headers: dict[str, str] = {}
    tightest: dict[Unit, Standing] = {}
    for each in verdict.standings:
        unit = each.charge.rule.unit
        before = tightest.get(unit)
        if before is None or _room(each) < _room(before):
            tightest[unit] = each
    for unit, limit, remaining, reset in FLOW_NAMES:
        if (standing := tightest.get(unit)) is not None:
            headers[limit] = str(standing.charge.rule.limit)
            headers[remaining] = str(standing.remaining)
            headers[reset] = duration(standing.reset_us)
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
    ms = -(-us // US_PER_MS)
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
