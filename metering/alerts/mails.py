"""The mails of alerts: which budget, how far it is used, and what follows from it.

Names were typed by people of a tenant and are shortened and quoted (`tenants.mail`).
Instants are on the tenant's clocks, and links lead to the very thing it is about.
The address is asked for as the mail is written: it stands in no row here. Failure: a
mail that cannot be composed is a bug; sending is the caller's.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.core.mail import EmailMultiAlternatives

from kit.scopes import Scope
from metering.alerts.models import Delivery, EventType
from metering.alerts.telling import TOPICS, limit_anchor
from tenants.mail import plain
from tenants.mails.letter import (
    Action,
    Letter,
    console_address,
    host_name,
    message_of,
    moment,
)
from tenants.models import Tenant
from tenants.roles import scopes_of

_LEVELS = {"tenant": "tenant", "project": "project", "api_key": "API key"}
_WINDOWS = {"day": "a day", "month": "a month", "forever": "all time"}


def address_of(row: Delivery) -> str | None:
    """Return where a mail goes now; None where its reader is gone or was forgotten."""
    if row.member is not None:
        is_there = row.member.removed_at is None
        return row.member.email if is_there and row.member.email else None
    if row.tenant is None:
        return None
    return row.tenant.billing_email or None


def message(row: Delivery, *, to: str) -> EmailMultiAlternatives:
    """Compose the mail of a delivery."""
    if row.tenant is None:
        raise ValueError(f"delivery {row.pk} is of no tenant")
    may_pay = row.member is None or Scope.BILLING_WRITE in scopes_of(row.member.role)
    letter = letter_of(
        row.event.type, row.event.data, tenant=row.tenant, may_pay=may_pay
    )
    # A billing address is nobody's place: what comes there is chosen in the console.
    if row.member is not None and EventType(row.event.type) in TOPICS:
        chosen = console_address(row.tenant.slug, "notifications/mine/")
        letter = replace(letter, choice=Action("Choose which mails you get", chosen))
    reference = f"alert-{row.event.uid.hex}-{row.pk}"
    return message_of(letter, to=[to], reference=reference)


def letter_of(
    event_type: str, data: Mapping[str, Any], *, tenant: Tenant, may_pay: bool = True
) -> Letter:
    """Return what a mail says of an event to people of a tenant."""
    if event_type == EventType.ENDPOINT_PAUSED:
        return _paused(data, tenant)
    if event_type == EventType.TEST:
        return _test(plain(data["tenant"]["name"]))
    if event_type in (EventType.TOP_UP_WAITING, EventType.TOP_UP_FAILED):
        return _top_up(event_type, data, tenant, _credit(tenant, may_pay=may_pay))
    if event_type == EventType.MODEL_RETIRING:
        return _retiring(data, tenant)
    return _budget(event_type, data, tenant, _credit(tenant, may_pay=may_pay))


def _credit(tenant: Tenant, *, may_pay: bool) -> Action:
    """Return the way to buy credit or, for whoever may not, to see what is left."""
    if may_pay:
        return Action("Buy credit", console_address(tenant.slug, "billing/top-up/"))
    return Action("See the credit", console_address(tenant.slug, "billing/credit/"))


def _retiring(data: Mapping[str, Any], tenant: Tenant) -> Letter:
    model, at = plain(data["model"]), dt.datetime.fromisoformat(data["retires_at"])
    headline = f"The model “{model}” retires on {moment(at, tenant.zone)}"
    successor = data["successor"] and plain(data["successor"])
    instead = (
        f"Call “{successor}” instead: it serves all that this one does."
        if successor
        else "No other model was named in its place: ask whoever runs the installation."
    )
    return Letter(
        subject=f"{headline}: “{plain(tenant.name)}”",
        headline=headline,
        paragraphs=(f"From then on calls of it are refused. {instead}",),
        facts=(
            ("Tenant", f"“{plain(tenant.name)}”"),
            ("Model", f"“{model}”"),
            *([("Instead", f"“{successor}”")] if successor else []),
            (
                "Called",
                f"{data['requests']:,} times within {data['requests_within_days']}"
                " days",
            ),
        ),
        action=Action("See the models", console_address(tenant.slug, "models/")),
    )


def _paused(data: Mapping[str, Any], tenant: Tenant) -> Letter:
    name = plain(data["endpoint"]["name"])
    there = f"notifications/webhooks/{data['endpoint']['id']}/"
    return Letter(
        subject=f"Webhook endpoint “{name}” is paused",
        headline=f"The webhook endpoint “{name}” on {host_name()} is paused",
        paragraphs=(
            "It has failed for days, or has answered that it is gone. Events are not"
            " sent to it any more.",
            "Mend it, then resume it and send a test.",
        ),
        facts=(("Tenant", f"“{plain(tenant.name)}”"),),
        action=Action("See what failed", console_address(tenant.slug, there)),
    )


def _test(tenant: str) -> Letter:
    return Letter(
        subject=f"Alerts reach you: “{tenant}”",
        headline=f"Alerts of “{tenant}” reach you",
        paragraphs=(
            f"This is a test, asked for by you: alerts of “{tenant}” on {host_name()}"
            " reach you at this address.",
            "Nothing was used and nothing has to be done.",
        ),
    )


def _top_up(
    event_type: str, data: Mapping[str, Any], tenant: Tenant, action: Action
) -> Letter:
    has_failed = event_type == EventType.TOP_UP_FAILED
    amount = f"{data['top_up']['amount']} {data['top_up']['currency']}"
    headline = (
        f"Credit for {amount} could not be bought"
        if has_failed
        else f"Credit for {amount} waits to be paid for"
    )
    follows = (
        "Nothing was paid, and nothing is owed for it."
        if has_failed
        else "It is bought as soon as there is a payment method, or somebody pays for"
        " it."
    )
    name = plain(data["tenant"]["name"])
    problem = " ".join(data["problem"].split())
    return Letter(
        subject=f"{headline}: “{name}”",
        headline=headline,
        paragraphs=(f"{follows} Once all credit is used, calls are refused.",),
        facts=(("Tenant", f"“{name}”"), *([("Reason", problem)] if problem else [])),
        action=action,
    )


def _budget(
    event_type: str, data: Mapping[str, Any], tenant: Tenant, credit: Action
) -> Letter:
    scope = data["scope"]
    whose = f"{_LEVELS[scope['level']]} “{plain(scope['name'])}”"
    what = {"quota": "quota", "credit": "credit"}.get(data["kind"], "budget")
    headline = _headline(event_type, data, what)
    used, limit = _amount(data, "used"), _amount(data, "limit")
    window = _WINDOWS[data["window"]]
    if data["ends_at"]:
        ends_at = dt.datetime.fromisoformat(data["ends_at"])
        window += f", until {moment(ends_at, tenant.zone)}"
    model = data["model"] and plain(data["model"])
    return Letter(
        subject=f"{headline}: {whose}",
        headline=headline,
        paragraphs=(_consequence(event_type, data),),
        facts=(
            ("Of", f"{whose} of “{plain(data['tenant']['name'])}”"),
            *([("Model", f"“{model}”")] if model else []),
            ("Used", f"{used} of {limit}" if limit else used or ""),
            ("In", window),
        ),
        action=credit if data["kind"] == "credit" else _leads_to(data, tenant),
    )


def _leads_to(data: Mapping[str, Any], tenant: Tenant) -> Action:
    """Return the way to the very limit."""
    # Of events that were written before they named it, to all of them.
    row = data.get("limit_id")
    scope = data["scope"]
    place = limit_anchor(data["kind"], row, scope["level"], scope["id"]) if row else ""
    # Of many limits a page shows a part: the address asks for this one.
    there = f"limits/?show={place}#{place}" if place else "limits/"
    return Action("See the limit", console_address(tenant.slug, there))


def _headline(event_type: str, data: Mapping[str, Any], what: str) -> str:
    if event_type == EventType.SPENT:
        return f"The {what} is spent"
    if event_type == EventType.RESUMED:
        return f"The {what} can be used again"
    return f"{data['share']} % of the {what} is used"


def _consequence(event_type: str, data: Mapping[str, Any]) -> str:
    if event_type == EventType.RESUMED:
        return "Calls that count towards it are served again."
    if event_type == EventType.SPENT:
        until = "it is raised or its window ends"
        if data["kind"] == "credit":
            until = "it is topped up"
        elif data["ends_at"] is None:
            until = "it is raised"
        return (
            "Calls that count towards it are refused with “insufficient_quota” until"
            f" {until}."
        )
    if data["is_hard"]:
        return "Once all of it is used, calls that count towards it are refused."
    return "It only warns: calls go on."


def _amount(data: Mapping[str, Any], name: str) -> str | None:
    """Show an amount to people: tokens with their unit, money with its currency."""
    amount = data[name]
    if amount is None:
        return None
    if data["currency"] is None:
        return f"{int(amount):,} {data['unit'].replace('_', ' ')}"
    return f"{Decimal(amount):,} {data['currency']}"
