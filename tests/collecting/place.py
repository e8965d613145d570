"""Where the product works in these courses: a database, and a Stripe behind an address.

Failure: none of its own. Owns: Django's settings while it is stood in.
"""

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.test.utils import override_settings

from kit.orm.roles import as_operator
from tests.databases import Database, pointed_at
from tests.standins.stripe import StripeStandIn
from tests.standins.stripe.account import Account

# Live, since that is what the limits of 100 calls a second are for.
API_KEY = "_".join(("sk", "live", "collecting"))
WEBHOOK_SECRET = "_".join(("whsec", "collecting"))
MARK = "tollgate_invoice"


@dataclass(frozen=True, slots=True)
class Place:
    """What a process must know to work here; `added_s` is how far Stripe's clock is."""

    database: Database
    stripe_url: str
    added_s: float = 0.0

    @property
    def now(self) -> dt.datetime:
        """Return the time by the clock that everybody here goes by."""
        return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=self.added_s)


@contextlib.contextmanager
def standing_in(place: Place) -> Iterator[None]:
    """Work in a place, as the operator's processes do."""
    settings = override_settings(
        BILLING_PROVIDER="stripe",
        STRIPE_API_BASE=place.stripe_url,
        STRIPE_API_KEY=API_KEY,
        STRIPE_WEBHOOK_SECRETS=(WEBHOOK_SECRET,),
        STRIPE_METER_EVENTS=True,
    )
    with pointed_at(place.database), settings, as_operator():
        yield


@dataclass(slots=True)
class Stripe:
    """The stand-in, and the account behind our key."""

    standin: StripeStandIn
    account: Account

    @classmethod
    def open(cls, standin: StripeStandIn) -> "Stripe":
        """Open our account."""
        return cls(standin, standin.add_account("ours", api_key=API_KEY).account)

    def place(self, database: Database) -> Place:
        """Return where to work now: its clock moves."""
        added_s = self.standin.engine.clock.added_s
        return Place(database, self.standin.url, added_s)
