"""Closing an API key, for a while or for good: asked with what it hits, then done.

A revocation is confirmed by typing the key's name, since nothing undoes it.

Failure: a key that was closed meanwhile is shown as it is now; a name that is typed
wrongly closes nothing.
"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.timesince import timesince

from kit.errors import Conflict
from kit.scopes import Scope
from pages.console.forms import TypedName, ask, sent
from pages.console.keys.parts import at_key, lately, require_own
from pages.console.place import form_page, place_page, require
from tenants import selectors, services
from tenants.models import ApiKey, Member


@form_page
@place_page
def disable(request: HttpRequest, *, place: Member, key_id: int) -> HttpResponse:
    """Ask whether a key shall be refused for a while, then disable it."""
    row = _own(key_id)
    if request.method != "POST":
        context = {"place": place, **_hit(row)}
        return render(request, "pages/console/keys/disable.html", context)
    try:
        services.disable_key(api_key=row, now=timezone.now())
    except Conflict as refused:
        messages.error(request, refused.message)
    return redirect(at_key(row))


@form_page
@place_page
def enable(request: HttpRequest, *, place: Member, key_id: int) -> HttpResponse:
    """Ask whether a disabled key shall open the door again, then let it."""
    row = _own(key_id)
    if request.method != "POST":
        context = {"place": place, "key": row, "back": at_key(row)}
        return render(request, "pages/console/keys/enable.html", context)
    try:
        services.enable_key(api_key=row)
    except Conflict as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, f"{row.name} is enabled.")
    return redirect(at_key(row))


@form_page
@place_page
def revoke(request: HttpRequest, *, place: Member, key_id: int) -> HttpResponse:
    """Ask for the key's name and say what ends, then revoke it for good."""
    row = _own(key_id)
    form = TypedName(sent(request), expected=row.name)
    if form.is_valid():
        services.revoke_key(api_key=row, now=timezone.now())
        return redirect(at_key(row))
    context = {"place": place, "form": form, **_hit(row)}
    return ask(request, "keys/revoke", form, context)


def _own(key_id: int) -> ApiKey:
    require(Scope.KEYS_WRITE)
    row = selectors.api_key(key_id)
    require_own(row)
    return row


def _hit(row: ApiKey) -> dict[str, object]:
    """Return what closing a key would hit."""
    now = timezone.now()
    used = row.last_use.last_used_at if row.last_use else None
    return {
        "key": row,
        "back": at_key(row),
        "lately": lately(row.tenant, [row.pk], now=now),
        "used": f"last used {timesince(used, now, depth=1)} ago" if used else "",
    }
