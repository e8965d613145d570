"""The mails of alerts: which budget, how far it is used, and what follows from it.

Names were typed by people of a tenant and are shortened and quoted (`tenants.mail`).
The address is asked for as the mail is written: it stands in no row here. Failure: a
mail that cannot be composed is a bug; sending is the caller's.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from metering.alerts.models import Delivery, EventType
from tenants.mail import plain

_TEMPLATES = {
    EventType.ENDPOINT_PAUSED: "paused",
    EventType.TOP_UP_WAITING: "top_up",
    EventType.TOP_UP_FAILED: "top_up",
    EventType.TEST: "test",
}
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
    event = row.event
    kind = _TEMPLATES.get(EventType(event.type), "budget")
    context = {**_context(event.type, event.data), "host": _host()}
    mail = EmailMultiAlternatives(
        subject=context["subject"],
        body=render_to_string(f"alerts/mail/{kind}.txt", context),
        to=[to],
        headers={
            "Auto-Submitted": "auto-generated",
            # The same at each attempt: readers show it once.
            "Message-ID": f"<alert-{event.uid.hex}-{row.pk}@{_host()}>",
        },
    )
    html = render_to_string(f"alerts/mail/{kind}.html", context)
    mail.attach_alternative(html, "text/html")
    return mail


def _context(event_type: str, data: Mapping[str, Any]) -> dict[str, Any]:
    if event_type == EventType.ENDPOINT_PAUSED:
        name = plain(data["endpoint"]["name"])
        return {"name": name, "subject": f"Webhook endpoint “{name}” is paused"}
    if event_type == EventType.TEST:
        tenant = plain(data["tenant"]["name"])
        subject = f"Alerts reach you: “{tenant}”"
        return {"tenant": tenant, "subject": subject, "address": settings.PUBLIC_URL}
    if event_type in (EventType.TOP_UP_WAITING, EventType.TOP_UP_FAILED):
        return _top_up_context(event_type, data)
    scope = data["scope"]
    whose = f"{_LEVELS[scope['level']]} “{plain(scope['name'])}”"
    what = {"quota": "quota", "credit": "credit"}.get(data["kind"], "budget")
    return {
        "subject": f"{_headline(event_type, data, what)}: {whose}",
        "headline": _headline(event_type, data, what),
        "consequence": _consequence(event_type, data),
        "whose": whose,
        "tenant": plain(data["tenant"]["name"]),
        "window": _WINDOWS[data["window"]],
        "model": data["model"] and plain(data["model"]),
        "used": _amount(data, "used"),
        "limit": _amount(data, "limit"),
        "ends_at": data["ends_at"],
        "address": settings.PUBLIC_URL,
    }


def _top_up_context(event_type: str, data: Mapping[str, Any]) -> dict[str, Any]:
    has_failed = event_type == EventType.TOP_UP_FAILED
    amount = f"{data['top_up']['amount']} {data['top_up']['currency']}"
    headline = (
        f"Credit for {amount} could not be bought"
        if has_failed
        else f"Credit for {amount} waits to be paid for"
    )
    tenant = plain(data["tenant"]["name"])
    return {
        "subject": f"{headline}: “{tenant}”",
        "headline": headline,
        "tenant": tenant,
        "problem": " ".join(data["problem"].split()),
        "has_failed": has_failed,
        "address": settings.PUBLIC_URL,
    }


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
    return f"{amount} {data['currency']}"


def _host() -> str:
    return urlsplit(settings.PUBLIC_URL).hostname or "localhost"
