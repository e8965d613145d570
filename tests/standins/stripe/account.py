"""The stand-in's account: its objects, its events, and what it does later.

All of it lives in memory, in dicts of the shape that Stripe's API shows. The server
calls one operation at a time, so nothing here locks.
"""

import secrets
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import stripe

from tests.standins.stripe.agenda import Agenda, Job
from tests.standins.stripe.clock import VirtualClock
from tests.standins.stripe.errors import missing
from tests.standins.stripe.event_log import NO_REQUEST, EventLog, Request
from tests.standins.stripe.hooks.endpoints import EndpointBook
from tests.standins.stripe.line_book import LineBook
from tests.standins.stripe.shapes import shown
from tests.standins.stripe.world.cards import Instrument
from tests.standins.stripe.world.uses import Use

Json = dict[str, Any]


class Account:
    """What one Stripe account holds."""

    def __init__(self, clock: VirtualClock, *, base_url: str = "") -> None:
        self.clock = clock
        self._moment: int | None = None
        self._agenda = Agenda()
        self.base_url = base_url
        self.id = f"acct_{secrets.token_hex(8)}"
        self.name = "Stand-in"
        self.livemode = False
        self.country = "US"
        self.created = self.now()
        self.events = EventLog()
        self.endpoints = EndpointBook()
        # Who hears of each event: the deliverer of webhooks.
        self.heard_by: list[Callable[[Json, EndpointBook], None]] = []
        # The engine sets it while a request runs.
        self.request: Request = NO_REQUEST
        # Every object by its kind and id; what Stripe's API never shows stands apart.
        self.rows: defaultdict[str, dict[str, Json]] = defaultdict(dict)
        self.customers = self.rows["customer"]
        self.invoices = self.rows["invoice"]
        # What is shown of an object that was deleted, where Stripe still shows it.
        self.gone: dict[str, Json] = {}
        self.lines = LineBook()
        self.pending_items: dict[str, Json] = {}
        # What a walk over all rows would take too long to find.
        self.numbers: dict[str, str] = {}
        self.payments_of: defaultdict[str, list[Json]] = defaultdict(list)
        self.uses: defaultdict[str, list[Use]] = defaultdict(list)
        self.meter_identifiers: dict[str, int] = {}
        self.instruments: dict[str, Instrument] = {}
        # How long after it was finalised an invoice is charged by itself.
        self.attempts_after_s = 3600
        self.checkout_data: dict[str, Json] = {}
        self.days_until_due: dict[str, int] = {}
        self.out_of_band: dict[str, int] = {}
        # Who is told when a payment intent moves: an invoice, a checkout.
        self.watchers: dict[str, Callable[[str], None]] = {}
        self._serial = 0
        self._mark = secrets.token_hex(4)

    def __getstate__(self) -> Json:
        """Return all but what belongs to the process; see `keeping`."""
        left_out = ("clock", "heard_by", "request")
        return {
            name: value for name, value in vars(self).items() if name not in left_out
        }

    def __setstate__(self, state: Json) -> None:
        """Take up what was kept; its keeper gives it a clock and listeners."""
        # What is newer than the file gets its value of the beginning.
        Account.__init__(self, VirtualClock())
        vars(self).update(state)

    def new_id(self, prefix: str) -> str:
        """Return an id that no object had before, also not of an earlier stand-in."""
        self._serial += 1
        return f"{prefix}_{self._mark}{self._serial:06d}"

    def now(self) -> int:
        """Return the account's time in whole seconds; a job sees the time it is for."""
        return int(self.clock.now()) if self._moment is None else self._moment

    def later(self, at: int, job: Job) -> None:
        """Do something once the account's clock is there, with the clock there."""
        self._agenda.add(at, job)

    def run_due(self) -> bool:
        """Do what is due by now, in the order of the clock; tell whether it was any."""
        was_any = False
        for at, job in self._agenda.due(self.clock.now()):
            self._moment, was_any = at, True
            try:
                job()
            finally:
                self._moment = None
        return was_any

    def emit(self, kind: str, row: Json, *, previous: Json | None = None) -> Json:
        """Note that something happened to an object; every event arises here.

        The snapshot is the object as the API shows it now, so call this after the
        change. `previous` holds what an `*.updated` event says was there before.
        """
        data = {"object": shown(self, row)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = self.events.add(
            {
                "id": self.new_id("evt"),
                "object": "event",
                "api_version": stripe.api_version,
                "created": self.now(),
                "data": data,
                "livemode": self.livemode,
                "pending_webhooks": 0,
                "request": {
                    "id": self.request.id,
                    "idempotency_key": self.request.idempotency_key,
                },
                "type": kind,
            }
        )
        for hear in self.heard_by:
            hear(event, self.endpoints)
        return event

    def customer(self, reference: str, *, param: str = "id") -> Json:
        """Return a customer that was not deleted; 404 when there is none."""
        if reference not in self.customers:
            raise missing("customer", reference, param=param)
        return self.customers[reference]


def merged(old: dict[str, str], new: dict[str, str] | str | None) -> dict[str, str]:
    """Return metadata after an update: an empty value unsets its key."""
    if new == "":
        return {}
    if not isinstance(new, dict):
        return dict(old)
    return {key: value for key, value in {**old, **new}.items() if value != ""}


def created_in(row: Json, wanted: Json | int | None) -> bool:
    """Tell whether the object's creation is inside the range that a list asked for."""
    if wanted is None:
        return True
    created = row["created"]
    if isinstance(wanted, int):
        return bool(created == wanted)
    bounds = {
        "gt": lambda bound: created > bound,
        "gte": lambda bound: created >= bound,
        "lt": lambda bound: created < bound,
        "lte": lambda bound: created <= bound,
    }
    return all(bounds[name](bound) for name, bound in wanted.items())
