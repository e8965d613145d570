"""What an event says that we keep of it. Pure."""

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """That something happened to an object of an account."""

    event_id: str
    type: str
    object_id: str
    occurred_at: dt.datetime
    api_version: str = ""
