"""The head of a page: where one is, what it shows, of when and of whom. Pure."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

# Gateways say every quarter of a second how far they are; later than this is worth a
# word.
FRESH = dt.timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Crumb:
    """A page above this one."""

    label: str
    address: str


@dataclass(frozen=True, slots=True)
class Fresh:
    """To which instant the figures are complete; `lags` where that is long ago."""

    complete_to: dt.datetime
    lags: bool
    waiting: str = ""
    """What is not in yet, in words."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A page's title; its scope is read as one line: period, zone, currency, tax."""

    title: str
    scope: Sequence[str] = ()
    crumbs: Sequence[Crumb] = ()
    fresh: Fresh | None = None
    lead: str = ""
    """One sentence that says what the page is for, where the title does not."""
    acts: Sequence[Crumb] = ()
    """What can be done here, the first thing first: links set as buttons."""


def fresh(complete_to: dt.datetime, *, now: dt.datetime, waiting: str = "") -> Fresh:
    """Return the line that says how complete a page is."""
    return Fresh(complete_to, now - complete_to > FRESH, waiting)
