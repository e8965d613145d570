"""How close to a limit: a bar, the limit's mark, and both in words. Pure."""

from dataclasses import dataclass

from pages.charts.lengths import percent, seen
from pages.charts.measure import Measure
from pages.design.cells import percent_text


@dataclass(frozen=True, slots=True)
class Bullet:
    """The drawing; `tone` is `plain`, `wait` past the warning, `bad` at the limit."""

    name: str
    text: str
    exact: str
    width: str
    mark: str
    warning: str
    tone: str


def bullet(
    name: str,
    measure: Measure,
    *,
    value: int,
    limit: int,
    warn_percent: int = 0,
    ends: str = "",
) -> Bullet:
    """Draw a value against its limit; `ends` says what happens there, and when."""
    whole = max(value, limit, 1)
    warning = limit * warn_percent // 100
    text = f"{measure.brief(value)} of {measure.brief(limit)}"
    if share := percent_text(value, limit):
        text = f"{share} % of {measure.brief(limit)}"
    tone = "plain"
    if warn_percent and value >= warning:
        tone = "wait"
    if value >= limit:
        tone = "bad"
    return Bullet(
        name=name,
        text=f"{text}, {ends}" if ends else text,
        exact=f"{measure.text(value)} of {measure.text(limit)}",
        width=seen(value, whole),
        mark=percent(limit, whole),
        warning=percent(warning, whole) if warn_percent else "",
        tone=tone,
    )
