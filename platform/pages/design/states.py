"""What stands where figures would: nothing yet, or a part that failed. Pure."""

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Empty:
    """Why there is nothing, and the one thing to do next."""

    title: str
    why: str = ""
    action: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """A part of a page that could not be read: what, when, and where to try again."""

    what: str
    at: dt.datetime
    retry: str = ""
