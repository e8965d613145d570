"""Whether a request has arrived since a page was opened, looked for every two seconds.

A look reads the newest request of a quarter of an hour, along the key of the tenant's
events, and a page stops looking after that time: what it costs does not grow with what
was used before, and an abandoned window asks no more. Failure: an instant that makes no
sense is the page's own.
"""

import datetime as dt
from dataclasses import dataclass

from django.utils.dateparse import parse_datetime

from kit.acting import current
from metering.usage.request_log import LoggedRequest, RequestQuery, requests
from pages.console.frame import way_to
from pages.figures import count, exact
from tenants.models import Member

LOOKS_FOR = dt.timedelta(minutes=15)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the page shows: a request that arrived, or that it still looks."""

    address: str
    found: LoggedRequest | None
    receipt: str
    is_over: bool
    """Nothing came in all the time that is looked for."""

    @property
    def spend(self) -> str:
        """Return what the request cost, exactly."""
        if self.found is None:
            return ""
        return exact(self.found.net_charge_picos, self.found.currency)

    @property
    def tokens(self) -> str:
        """Return what went in and came out."""
        if self.found is None:
            return ""
        prompt = self.found.input_tokens + self.found.cached_input_tokens
        return f"{count(prompt)} tokens in, {count(self.found.output_tokens)} out"

    @property
    def first_token(self) -> str:
        """Return after how long the first token came, in words."""
        if self.found is None or self.found.first_token_us is None:
            return "not recorded"
        return f"{count(self.found.first_token_us // 1000)} ms"


def arrival(
    place: Member, *, since: dt.datetime, address: str, now: dt.datetime
) -> Arrival:
    """Look for the newest request since an instant."""
    asked = RequestQuery(
        tenant_id=place.tenant_id,
        start=max(since, now - 2 * LOOKS_FOR),
        end=now + LOOKS_FOR,
        reach=current().project_ids,
    )
    rows = requests(asked, size=1).rows
    found = rows[0] if rows else None
    receipt = way_to(place.tenant, "console:request", found.request_id) if found else ""
    over = found is None and now > since + LOOKS_FOR
    return Arrival(address, found, receipt, is_over=over)


def last_before(place: Member, *, now: dt.datetime) -> Arrival | None:
    """Return the newest request of a day, of before the page was opened."""
    asked = RequestQuery(
        tenant_id=place.tenant_id,
        start=now - DAY,
        end=now + LOOKS_FOR,
        reach=current().project_ids,
    )
    rows = requests(asked, size=1).rows
    if not rows:
        return None
    receipt = way_to(place.tenant, "console:request", rows[0].request_id)
    return Arrival("", rows[0], receipt, is_over=True)


def instant_asked(text: str, *, now: dt.datetime) -> dt.datetime:
    """Return the instant that an address names, or now where that makes no sense."""
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or found >= now + LOOKS_FOR:
        return now
    return found
