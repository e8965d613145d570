"""Reads of API keys: within reach of whoever acts, with the last use of each."""

import datetime as dt
from typing import TypedDict, Unpack

from django.conf import settings
from django.db.models import Q, QuerySet

from kit import api_keys as credentials
from kit.acting import current
from kit.errors import NotFound
from tenants.models import ApiKey, ApiKeyQuerySet, KeyState


class KeyFilters(TypedDict, total=False):
    """What API keys may be narrowed by; None narrows nothing."""

    tenant_id: int | None
    project_id: int | None
    member_id: int | None
    # Whether it opens the door now; in which state it is.
    active: bool | None
    state: str | None
    # A part of the name, in any case; the beginning of what may be shown.
    name: str | None
    shown: str | None
    # A part of any of them, or of the holder's address or the project's name.
    search: str | None
    # A model that the key may call.
    model: str | None
    expires_before: dt.datetime | None
    # Not used since then, and issued before.
    unused_since: dt.datetime | None


def api_keys(
    *, now: dt.datetime, **filters: Unpack[KeyFilters]
) -> QuerySet[ApiKey, ApiKey]:
    """List API keys; an active one opens the door now.

    It is neither revoked, disabled nor expired, its project open, its tenant not
    suspended.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    rows = _within_reach()
    if "active" in given:
        opening = ApiKey.objects.opening(now)
        rows = (
            rows.filter(pk__in=opening)
            if given["active"]
            else rows.exclude(pk__in=opening)
        )
    if "state" in given:
        rows = rows.in_state(KeyState(str(given["state"])), now)
    conditions = (
        _condition(name, value)
        for name, value in given.items()
        if name not in {"active", "state"}
    )
    return rows.filter(*conditions)


def api_key(api_key_id: int) -> ApiKey:
    """Return one API key; raises `NotFound`."""
    row = _within_reach().filter(pk=api_key_id).first()
    if row is None:
        raise NotFound(f"There is no API key {api_key_id}.")
    return row


def api_key_by_text(text: str) -> ApiKey:
    """Return the API key that a whole text is; raises `NotFound` without showing it."""
    digest = credentials.digest(text, settings.API_KEY_SECRET)
    row = _within_reach().filter(digest=digest).first()
    if row is None:
        raise NotFound("There is no API key of this text.")
    return row


def _within_reach() -> ApiKeyQuerySet:
    """Return the keys of the projects that whoever acts is kept to."""
    rows = ApiKey.objects.select_related("tenant", "project", "use")
    projects = current().project_ids
    return rows if projects is None else rows.filter(project_id__in=projects)


def _condition(name: str, value: object) -> Q:
    match name:
        case "name":
            return Q(name__icontains=value)
        case "shown":
            return Q(shown__startswith=value)
        case "search":
            return (
                Q(name__icontains=value)
                | Q(shown__startswith=value)
                | Q(project__name__icontains=value)
                | Q(project__slug__icontains=value)
                | Q(member__email__icontains=value)
                | Q(allowed_models__contains=[value])
            )
        case "model":
            return Q(allowed_models=[]) | Q(allowed_models__contains=[value])
        case "expires_before":
            return Q(expires_at__lt=value)
        case "unused_since":
            never = Q(use__isnull=True) & Q(created_at__lt=value)
            return never | Q(use__last_used_at__lt=value)
        case _:
            return Q(**{name: value})
