"""Who acts on which events: apps above register here and are called by `processing`.

A handler is told which object changed, and reads it from the provider: what it knows is
at least as new as the event, and may be newer. It is called outside a transaction, in
any order and any number of times, at the same time as others too; so what it writes
must be right for whatever it reads.

Failure: whatever a handler raises is noted on the event and tried again. `NotYet` says
that something else must come first, which is no fault of anybody's.
"""

import datetime as dt
from collections.abc import Callable
from fnmatch import fnmatchcase


class NotYet(Exception):
    """Something that is on its way must be here first."""


# Called with the account, the object's id, the event's type, and now.
Handler = Callable[[str, str, str, dt.datetime], None]

_handlers: list[tuple[str, Handler]] = []


def handles(*patterns: str) -> Callable[[Handler], Handler]:
    """Register a handler for types of events, such as `refund.*`."""

    def register(handler: Handler) -> Handler:
        for pattern in patterns:
            _handlers.append((pattern, handler))
        return handler

    return register


def handlers_for(event_type: str) -> list[Handler]:
    """Return who acts on a type of event, each once, in the order of registration."""
    found: list[Handler] = []
    for pattern, handler in _handlers:
        if fnmatchcase(event_type, pattern) and handler not in found:
            found.append(handler)
    return found


def handled_types() -> list[str]:
    """Return the patterns that somebody acts on."""
    return sorted({pattern for pattern, _ in _handlers})
