"""Limits as people read them: what each counts, how near its end is. Pure.

A hard limit stops before it is exceeded: nothing leaves that it does not cover, and a
request that runs is ended where it is used up. A soft one only warns, and has no bound.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from kit.money import format_picos
from metering.alerts.models import Crossing
from metering.alerts.telling import limit_anchor
from metering.budgets.nearest import Named
from metering.budgets.selectors import Place
from pages.charts.bullet import Bullet, bullet
from pages.charts.measure import Measure
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind, nothing, percent_text, state, words
from pages.design.files import FILE_ROWS_MAX
from pages.design.states import Empty
from pages.design.table import Column, Table
from tenants.limits.resolution import Row

NEAREST_MAX = 3
_LEVELS = {"tenant": "tenant", "project": "project", "api_key": "key"}
_WINDOWS = {"forever": "in all", "": "at a time"}


@dataclass(frozen=True, slots=True)
class Crossed:
    """A share that was crossed, and whose limit it is of."""

    crossing: Crossing
    holder: str


def counted_of(row: Row) -> str:
    """Return what a limit counts, in words."""
    measure = row.measure
    unit = measure.currency or measure.unit.replace("_", " ")
    window = _WINDOWS.get(measure.window, f"a {measure.window}")
    of_model = f", {row.model} alone" if row.model else ""
    return f"{unit} {window}{of_model}"


def whose(named: Named) -> str:
    """Return whose limit it is."""
    return f"{_LEVELS[named.effective.row.level]} {named.holder}"


def amount_of(row: Row, value: int | None = None) -> str:
    """Return an amount of a limit's own unit."""
    number = row.value if value is None else value
    if row.measure.currency:
        return f"{format_picos(number)} {row.measure.currency}"
    return f"{number:,}"


def resets(place: Place, zone: str) -> str:
    """Return when a window ends, on the tenant's clocks."""
    if place.is_for_ever:
        return ""
    return f"{place.ends_at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def bullets(counted: tuple[Named, ...], zone: str) -> list[Bullet]:
    """Draw the limits nearest to their ends; they name what happens there, and when."""
    drawn = []
    for named in counted[:NEAREST_MAX]:
        place, row = named.place, named.effective.row
        if place is None:
            continue
        does = "stops at 100 %" if row.is_hard else "only warns"
        until = resets(place, zone)
        measure = (
            Measure(row.measure.currency)
            if row.measure.currency
            else Measure(noun=row.measure.unit.replace("_", " "))
        )
        drawn.append(
            bullet(
                f"{whose(named)}: {counted_of(row)}",
                measure,
                value=place.posted + place.held,
                limit=place.limit,
                warn_percent=min(row.warn_at, default=0),
                ends=f"{does}, resets {until} {zone}" if until else does,
            )
        )
    return drawn


def counted_table(zone: str, *, edit: Callable[[Named], str], new: str) -> Table[Named]:
    """Return the table of budgets and quotas, the nearest first."""
    return Table(
        name="limits",
        title="Budgets and quotas",
        columns=(
            *_head(),
            Column(
                "limit",
                "Limit",
                lambda row: words(amount_of(row.effective.row)),
                Kind.NUMBER,
            ),
            Column("used", "Used", _used, Kind.NUMBER, sort=_share),
            Column("warns", "Warns at", _warns),
            Column("does", "At the limit", _does),
            Column(
                "overshoot",
                "Largest overshoot",
                lambda row: words("none" if row.effective.row.is_hard else "no bound"),
                note="How far it can be exceeded before calls are refused",
            ),
            Column("resets", f"Resets ({zone})", lambda row: _resets(row, zone)),
            Column("origin", "Set by", lambda row: _origin(row, edit)),
        ),
        usual_sort="-used",
        anchor=mark_of,
        empty=Empty(
            "No budget and no quota holds",
            "Nothing stops or warns as spend grows.",
            "Set a budget" if new else "",
            new,
        ),
    )


def rates_table(*, edit: Callable[[Named], str]) -> Table[Named]:
    """Return the table of rate limits; what is used of them now is not recorded."""
    return Table(
        name="rates",
        title="Rate limits",
        columns=(
            *_head(),
            Column(
                "limit",
                "Limit",
                lambda row: words(amount_of(row.effective.row)),
                Kind.NUMBER,
            ),
            Column("does", "At the limit", _does),
            Column("origin", "Set by", lambda row: _origin(row, edit)),
        ),
        is_one_of_many=True,
        note="What is left of them is in the x-ratelimit headers of each answer; it is"
        " not recorded.",
        empty=Empty("No rate limit holds", "Calls are let in as fast as they come."),
    )


def crossings_table(zone: str) -> Table[Crossed]:
    """Return the alert history."""
    return Table(
        name="alerts",
        title="Alert history",
        file_rows_max=FILE_ROWS_MAX,
        is_one_of_many=True,
        columns=(
            Column(
                "crossed_at",
                f"When ({zone})",
                lambda row: _at(row.crossing.crossed_at, zone),
            ),
            Column("whom", "For", lambda row: words(row.holder)),
            Column(
                "share",
                "Share",
                lambda row: Cell(f"{row.crossing.share} %", f"{row.crossing.share}"),
                Kind.NUMBER,
            ),
            Column("kind", "Of a", lambda row: words(row.crossing.kind)),
            Column(
                "does",
                "At the limit",
                lambda row: state(_badge(is_hard=row.crossing.is_hard)),
            ),
            Column(
                "told",
                "Told",
                lambda row: words("yes" if row.crossing.was_told else "a higher one"),
            ),
            Column(
                "cleared_at",
                f"Cleared ({zone})",
                lambda row: (
                    nothing("stands")
                    if row.crossing.cleared_at is None
                    else _at(row.crossing.cleared_at, zone)
                ),
            ),
        ),
        empty=Empty("No share of a limit was crossed", "Alerts are kept for 90 days."),
    )


def credit_text(place: Place | None, currency: str) -> str:
    """Return how prepaid credit stands, in a sentence."""
    if place is None:
        return ""
    left = format_picos(place.available)
    return f"{left} {currency} of credit left: calls stop when it is used up."


def names_of(counted: tuple[Named, ...]) -> Mapping[tuple[str, int], str]:
    """Return what the holders of limits are called, by level and id."""
    return {
        (each.effective.row.level, each.effective.holder_id): whose(each)
        for each in counted
    }


def _head() -> tuple[Column[Named], Column[Named]]:
    return (
        Column("whom", "For", lambda row: words(whose(row)), sort=whose),
        Column("what", "Counts", lambda row: words(counted_of(row.effective.row))),
    )


def mark_of(named: Named) -> str:
    """Return how a limit's row is marked, for links that lead to it."""
    effective = named.effective
    row = effective.row
    kind = row.measure.kind.value
    return limit_anchor(kind, row.id, row.level, effective.holder_id)


def _used(named: Named) -> Cell:
    place = named.place
    if place is None:
        return nothing()
    used = place.posted + place.held
    text = percent_text(used, place.limit)
    share = f"{text} %" if text else "all of nothing"
    length = min(used * 1000 // place.limit, 1000) if place.limit else 1000
    exact = amount_of(named.effective.row, used)
    return Cell(share, text or "100.0", note=exact, share=max(length, 0))


def _share(named: Named) -> float:
    return named.place.share_used if named.place else 0.0


def _warns(named: Named) -> Cell:
    shares = named.effective.row.warn_at
    return words(", ".join(f"{each} %" for each in shares)) if shares else nothing("no")


def _badge(*, is_hard: bool) -> Badge:
    return Badge("stops", Tone.PLAIN) if is_hard else Badge("only warns", Tone.WAIT)


def _does(named: Named) -> Cell:
    return state(_badge(is_hard=named.effective.row.is_hard))


def _resets(named: Named, zone: str) -> Cell:
    text = resets(named.place, zone) if named.place else ""
    return words(text) if text else nothing("never")


def _origin(named: Named, edit: Callable[[Named], str]) -> Cell:
    row = named.effective.row
    if row.is_tenants:
        return words("you: change it", address=edit(named))
    return words("the plan" if row.plan_id is not None else "operators")


def _at(at: dt.datetime, zone: str) -> Cell:
    there = at.astimezone(ZoneInfo(zone))
    value = at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return Cell(f"{there:%Y-%m-%d %H:%M}", value)
