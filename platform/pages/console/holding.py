"""What holds a key or a project back: its budgets and quotas, the nearest first. Pure.

Credit is left out: it is the tenant's, and stands in the head of every page.
"""

from dataclasses import replace

from metering.budgets.selectors import CREDIT, Place, Standing
from pages.console.keys.parts import limit_cell, limit_words
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind, clock, nothing, state, words
from pages.design.states import Empty
from pages.design.table import Column, Table

_LEVELS = {"tenant": "the tenant's", "project": "the project's", "api_key": "its own"}


def kept_to(found: Standing) -> list[Place]:
    """Return the budgets and quotas."""
    return [each for each in found.places if each.what.kind != CREDIT]


def holding_table(what: str, empty: Empty, zone: str) -> Table[Place]:
    """Return the table of what holds, its instants on a tenant's clocks."""
    return Table(
        name="limits",
        title=what[:1].upper() + what[1:],
        note="All of them hold at once, the nearest first.",
        has_file=False,
        empty=empty,
        columns=(
            Column(
                "whose",
                "Whose",
                lambda place: words(
                    _LEVELS[place.what.level], note=place.what.model or "every model"
                ),
            ),
            Column("limit", "Limit", lambda place: words(limit_words(place))),
            Column("used", "Used", limit_cell),
            Column("left", "Left", lambda place: words(_left(place)), Kind.NUMBER),
            Column("does", "At the limit", _does),
            Column(
                "resets",
                "Resets",
                lambda place: (
                    nothing("never")
                    if place.is_for_ever
                    else clock(place.ends_at, zone)
                ),
            ),
        ),
    )


def _left(place: Place) -> str:
    return limit_words(replace(place, limit=place.available))


def _does(place: Place) -> Cell:
    if place.what.is_hard:
        return state(Badge("stops", Tone.PLAIN))
    return state(Badge("warns only", Tone.WAIT))
