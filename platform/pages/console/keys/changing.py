"""Changes of an API key that leave it open: its name, end, rights, its own limits.

Failure: what a service refuses is said beside its field, and nothing is written.
"""

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from kit.acting import current
from kit.errors import Conflict, PlatformError
from kit.scopes import Scope
from pages.console.forms import ask, say, sent
from pages.console.keys.forms import ChangeKeyForm, OwnLimitForm
from pages.console.keys.parts import at_key, require_own
from pages.console.place import form_page, place_page, require
from tenants import selectors, services
from tenants.models import ApiKey, Budget, Level, Member, RateLimit, SetBy

_WARN_AT = (80, 100)


@form_page
@place_page
def change(request: HttpRequest, *, place: Member, key_id: int) -> HttpResponse:
    """Ask what of a key shall be otherwise, then change it."""
    require(Scope.KEYS_WRITE)
    row = selectors.api_key(key_id)
    require_own(row)
    form = ChangeKeyForm(sent(request), held=current().scopes, kept=row)
    if form.is_valid():
        try:
            changed = services.update_key(api_key=row, **form.changes())
        except PlatformError as refused:
            say(refused, form, form.fields_of_refusals)
        else:
            messages.success(
                request, f"{changed.name} is changed; gateways know within a second."
            )
            return redirect(at_key(row))
    context = {"place": place, "form": form, "key": row, "back": at_key(row)}
    return ask(request, "keys/change", form, context)


@form_page
@place_page
def limit(request: HttpRequest, *, place: Member, key_id: int) -> HttpResponse:
    """Ask how much a key may use at most, then set it beside the operators' limits."""
    require(Scope.LIMITS_WRITE)
    row = selectors.api_key(key_id)
    now = timezone.now()
    form = OwnLimitForm(sent(request), currency=place.tenant.currency)
    if form.is_valid():
        try:
            said = _set(row, form.cleaned_data, now=now)
        except PlatformError as refused:
            say(refused, form, form.fields_of_refusals)
        else:
            messages.success(request, said)
            return redirect(at_key(row))
    context = {
        "place": place,
        "form": form,
        "key": row,
        "own": [*_own(Budget, row, now=now), *_own(RateLimit, row, now=now)],
        "back": at_key(row),
    }
    return ask(request, "keys/limit", form, context)


def _own(kind: Any, row: ApiKey, *, now: dt.datetime, **what: Any) -> list[Any]:
    """Return what the tenant itself has set for a key, of all models, for good."""
    rows = selectors.limits(
        kind,
        now=now,
        active=True,
        api_key_id=row.pk,
        level=Level.API_KEY,
        set_by=SetBy.TENANT,
        model="",
    )
    return list(rows.filter(ends_at=None, is_hard=True, **what))


def _set(row: ApiKey, asked: dict[str, Any], *, now: dt.datetime) -> str:
    """Set a limit, in place of the tenant's own one; return what to say of it."""
    window, number = asked["window"], asked["number"]
    if asked["is_budget"]:
        there = _own(Budget, row, now=now, window=window)
    else:
        there = _own(RateLimit, row, now=now, window=window, unit=asked["unit"])
    if number is None:
        if not there:
            raise Conflict("There is no limit of yours like this, so none ends.")
        services.end_limit(limit=there[0], now=now)
        return "The limit has ended; gateways know within a second."
    value = "amount_picos" if asked["is_budget"] else "value"
    if there:
        services.change_limit(limit=there[0], now=now, **{value: number})
        return "The limit is changed; gateways know within a second."
    holder = services.Holder.of(api_key=row)
    if asked["is_budget"]:
        services.create_budget(
            holder=holder,
            now=now,
            window=window,
            amount_picos=number,
            warn_at=list(_WARN_AT),
        )
    else:
        services.create_rate_limit(
            holder=holder, now=now, unit=asked["unit"], value=number, window=window
        )
    return "The limit is set; gateways know within a second."
