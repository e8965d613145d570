"""What a member should know before reading on: each a sentence, with its number.

Every look is a count over an index of one tenant, and only at what the member's role
may see. Failure: none of its own.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from zoneinfo import ZoneInfo

from django.db.models import Count, Min, Sum

from inference.control.refusals import RefusalQuery, refused
from kit.acting import current
from kit.money import format_minor
from kit.scopes import Scope
from metering.alerts import selectors as alerts
from metering.ledger.wallets import Wallet
from metering.receivables.selectors import unpaid
from pages.console.catalog.offers import coming_change
from pages.console.frame import way_to
from pages.console.log.refused import LATELY, reason
from pages.console.start.glance import models_called
from pages.design.badges import Badge, Tone
from pages.figures import count, rounded
from tenants import selectors
from tenants.catalog import retirements
from tenants.models import Member

EXPIRES_SOON = dt.timedelta(days=14)
CHANGES_SOON = dt.timedelta(days=30)
RETIRES_SOON = dt.timedelta(days=90)
USED_LATELY = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to know: how pressing, what, and what to do about it."""

    badge: Badge
    text: str
    why: str = ""
    address: str = ""


def notices(
    place: Member, *, today: dt.date, credit: Wallet | None, now: dt.datetime
) -> list[Notice]:
    """Return what this member should know now, the most pressing first."""
    actor = current()
    found: list[Notice] = []
    if actor.may(Scope.BILLING_READ):
        found += _overdue(place, today)
    found += _prices(place, now)
    if actor.may(Scope.USAGE_READ):
        found += _retiring(place, today, now)
        found += _refused(place, now)
    if credit is not None:
        found += _expiring(place, credit)
    if actor.may(Scope.WEBHOOKS_READ):
        found += _endpoints(place)
    if actor.may(Scope.KEYS_READ):
        found += _keys(place, now)
    return found


def _overdue(place: Member, today: dt.date) -> Iterator[Notice]:
    currency = place.tenant.currency
    late = unpaid(place.tenant).filter(due_date__lt=today, currency=currency)
    found = late.aggregate(
        minor=Sum("open_minor"), number=Count("id"), oldest=Min("due_date")
    )
    if number := found["number"]:
        yield Notice(
            Badge("overdue", Tone.BAD),
            f"{count(number)} {_plural(number, 'invoice')} overdue: "
            f"{format_minor(found['minor'], currency)}.",
            f"The oldest was due on {found['oldest']:%Y-%m-%d}.",
            way_to(place.tenant, "console:invoices"),
        )


def _prices(place: Member, now: dt.datetime) -> Iterator[Notice]:
    found = coming_change(tenant=place.tenant, now=now)
    if found is not None and found[0] < now + CHANGES_SOON:
        at, number = found
        change = "price changes" if number == 1 else "prices change"
        local = at.astimezone(ZoneInfo(place.tenant.zone))
        yield Notice(
            Badge("prices", Tone.WAIT),
            f"{count(number)} model {change} on {local:%Y-%m-%d %H:%M} "
            f"{place.tenant.zone}.",
            address=way_to(place.tenant, "console:models"),
        )


def _retiring(place: Member, today: dt.date, now: dt.datetime) -> Iterator[Notice]:
    """Tell of models that retire or just did, where they were called lately."""
    zone = ZoneInfo(place.tenant.zone)
    span = (now - USED_LATELY, now + RETIRES_SOON)
    planned = [each for each in retirements() if span[0] < each.retires_at < span[1]]
    if not planned:
        return
    calls = models_called(
        tenant=place.tenant, first=today - USED_LATELY, last=today, now=now
    )
    for each in planned:
        if not (number := calls.get(each.model)):
            continue
        is_over = each.retires_at <= now
        told = "retired" if is_over else "retires"
        at = each.retires_at.astimezone(zone)
        yield Notice(
            Badge("retired", Tone.BAD) if is_over else Badge("retiring", Tone.WAIT),
            f"{each.model} {told} on {at:%Y-%m-%d %H:%M} {place.tenant.zone}.",
            (f"Call {each.successor} instead. " if each.successor else "")
            + f"{count(number)} {_plural(number, 'request')} called it within 30 days.",
            way_to(place.tenant, "console:models"),
        )


def _refused(place: Member, now: dt.datetime) -> Iterator[Notice]:
    """Tell of what limits refused within the last day, and lead to them."""
    asked = RefusalQuery(
        tenant_id=place.tenant_id,
        start=now - LATELY,
        end=now,
        status=HTTPStatus.TOO_MANY_REQUESTS,
        reach=current().project_ids,
    )
    found = refused(asked, size=1)
    if found.requests:
        (most,) = found.kinds
        page = "limits" if current().may(Scope.LIMITS_READ) else "requests"
        last = most.last_at.astimezone(ZoneInfo(place.tenant.zone))
        yield Notice(
            Badge("refused", Tone.WAIT),
            f"{count(found.requests)} {_plural(found.requests, 'request')} refused with"
            " 429 within the last day.",
            f"Most: {reason(most)}; last at {last:%Y-%m-%d %H:%M}.",
            way_to(place.tenant, f"console:{page}"),
        )


def _expiring(place: Member, credit: Wallet) -> Iterator[Notice]:
    if credit.expiring:
        coming = credit.expiring[0]
        yield Notice(
            Badge("expiring", Tone.WAIT),
            f"{rounded(coming.picos, credit.currency).shown} of credit expire on"
            f" {coming.at:%Y-%m-%d}, unless they are used before.",
            address=way_to(place.tenant, "console:credit")
            if current().may(Scope.BILLING_READ)
            else "",
        )


def _endpoints(place: Member) -> Iterator[Notice]:
    rows = alerts.endpoints(tenant_id=place.tenant_id, state="failing")
    if number := rows.count():
        yield Notice(
            Badge("failing", Tone.BAD),
            f"{count(number)} webhook {_plural(number, 'endpoint')} failing.",
            "What cannot be delivered is tried again; in the end they are paused.",
            way_to(place.tenant, "console:notifications"),
        )


def _keys(place: Member, now: dt.datetime) -> Iterator[Notice]:
    rows = selectors.api_keys(
        now=now,
        tenant_id=place.tenant_id,
        active=True,
        expires_before=now + EXPIRES_SOON,
    )
    if number := rows.count():
        yield Notice(
            Badge("expiring", Tone.WAIT),
            f"{count(number)} API {_plural(number, 'key')} expire within 14 days."
            if number > 1
            else "1 API key expires within 14 days.",
            address=way_to(place.tenant, "console:keys"),
        )


def _plural(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"
