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
from dataclasses import dataclass
from fnmatch import fnmatchcase

from metering.inbox.told import Told


class NotYet(Exception):
    """Something that is on its way must be here first."""


# Called with the account, the object's id, the event's type, and now.
Handler = Callable[[str, str, str, dt.datetime], None]
# Whether an event is worth reading its object for.
Wants = Callable[[Told], bool]


@dataclass(frozen=True, slots=True)
class _Registered:
    pattern: str
    handler: Handler
    wants: Wants


_handlers: list[_Registered] = []


def _any(_: Told) -> bool:
    return True


def handles(*patterns: str, wants: Wants = _any) -> Callable[[Handler], Handler]:
    """Register a handler for types of events, such as `refund.*`.

    It is spared those that it does not want; where an event does not say, it must.
    """

    def register(handler: Handler) -> Handler:
        _handlers.extend(_Registered(each, handler, wants) for each in patterns)
        return handler

    return register


def handlers_for(event_type: str) -> list[Handler]:
    """Return who acts on a type of event, each once, in the order of registration."""
    found = [
        each.handler for each in _handlers if fnmatchcase(event_type, each.pattern)
    ]
    return list(dict.fromkeys(found))


def is_wanted(told: Told) -> bool:
    """Tell whether anybody acts on an event."""
    return any(
        fnmatchcase(told.type, each.pattern) and each.wants(told) for each in _handlers
    )


def handled_types() -> list[str]:
    """Return the patterns that somebody acts on."""
    return sorted({each.pattern for each in _handlers})
