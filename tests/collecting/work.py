"""What workers do here, as Celery's do: each step until nothing of it is due.

Failure: what a step raises ends its worker.
"""

import datetime as dt
from collections.abc import Callable, Mapping

import django

django.setup()

from metering.billing import services as billing  # noqa: E402
from metering.collection.buying.advancing import advance_purchases  # noqa: E402
from metering.inbox import catching_up  # noqa: E402
from metering.inbox.processing import process_next  # noqa: E402
from metering.topups import services as topups  # noqa: E402
from tests.collecting.place import Place  # noqa: E402
from tests.scale.sizes import closes_at  # noqa: E402
from tests.scale.work import BILLING  # noqa: E402

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


def _until_none(advance: Callable[..., int], now: dt.datetime) -> int:
    total = 0
    while taken := advance(now=now):
        total += taken
    return total


# In the order of a month: what is used is billed, what is billed is collected.
BILLED = ("roll up", "post days", "book burns", "close")
COLLECTED: Mapping[str, Step] = {
    "push": _push,
    "top up": _top_up,
    "buy": _buy,
    "follow": _follow,
    "catch up": _catch_up,
}
STEPS: Mapping[str, Step] = {
    **{name: _billed(name) for name in BILLED},
    **COLLECTED,
}
