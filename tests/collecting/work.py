"""What workers do here, as Celery's do: each step until nothing of it is due.

Failure: what a step raises ends its worker.
"""

import datetime as dt
import time
from collections.abc import Callable, Mapping

import django

django.setup()

from metering.billing import services as billing  # noqa: E402
from metering.collection.buying.advancing import advance_purchases  # noqa: E402
from metering.collection.comparing import compare  # noqa: E402
from metering.collection.meters.noting import note_use  # noqa: E402
from metering.collection.meters.telling import tell_use  # noqa: E402
from metering.collection.outgoing.telling import tell_all  # noqa: E402
from metering.inbox import catching_up  # noqa: E402
from metering.inbox.processing import process_next  # noqa: E402
from metering.topups import services as topups  # noqa: E402
from tests.collecting.deciding import decide  # noqa: E402
from tests.collecting.place import Place  # noqa: E402
from tests.scale.sizes import closes_at  # noqa: E402
from tests.scale.work import BILLING  # noqa: E402

# About as long as a message takes to a worker.
WAKING_S = 0.01
Step = Callable[[Place], int]


def _billed(name: str) -> Step:
    return lambda _: BILLING[name](closes_at(0))


def _push(place: Place) -> int:
    return billing.advance_invoices(now=place.now)


def _follow(place: Place) -> int:
    """See events through; return those of how many objects."""
    done = 0
    while process_next(now=place.now):
        done += 1
    return done


def _catch_up(place: Place) -> int:
    return catching_up.catch_up(now=place.now)


def _top_up(place: Place) -> int:
    return topups.advance(now=place.now)


def _buy(place: Place) -> int:
    return _until_none(advance_purchases, place.now)


def _decide(place: Place) -> int:
    return decide(now=place.now)


def _tell(place: Place) -> int:
    return _until_none(tell_all, place.now)


def _note_use(place: Place) -> int:
    return note_use(now=place.now)


def _tell_use(place: Place) -> int:
    return tell_use(now=place.now)


def _until_none(advance: Callable[..., int], now: dt.datetime) -> int:
    total = 0
    while taken := advance(now=now):
        total += taken
    return total


def _compare(place: Place) -> int:
    return compare(now=place.now)


def _keep_following(place: Place) -> int:
    """Follow for good, as a worker that each webhook's message wakes up."""
    while True:
        if not process_next(now=place.now):
            time.sleep(WAKING_S)


# In the order of a month: what is used is billed, what is billed is collected.
BILLED = ("roll up", "post days", "book burns", "close")
COLLECTED: Mapping[str, Step] = {
    "push": _push,
    "top up": _top_up,
    "buy": _buy,
    "decide": _decide,
    "tell": _tell,
    "follow": _follow,
    "catch up": _catch_up,
    "note use": _note_use,
    "tell use": _tell_use,
    "compare": _compare,
}
STEPS: Mapping[str, Step] = {
    **{name: _billed(name) for name in BILLED},
    **COLLECTED,
    "keep following": _keep_following,
}
