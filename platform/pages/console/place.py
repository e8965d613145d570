"""Pages of one tenant: whoever is signed in takes up the place that they have there.

From then on the page runs as the tenant's database role and acts as the member: the
rows of other tenants are not there, and services hold what is done against the role.

An operator who looks at the tenant reads it so, with no place of their own (`looking`).

Failure: a tenant where one has no place is the 404 of one that does not exist; what the
member may not do is 403.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from kit.acting import Actor, ActorKind, acting_as, current
from kit.errors import NotFound, PermissionDenied
from kit.orm.audited import take_turn
from kit.orm.roles import as_tenant
from kit.scopes import Scope
from kit.sent_once import FormSentBeforeError, FormTooOldError, do_once
from pages.access import Page, refusal, signed_in_page
from pages.console.looking import actor_looking, is_looking, place_looked_at
from tenants import selectors
from tenants.models import Member

# Asks when it is read, and does when it is sent.
form_page = require_http_methods(["GET", "HEAD", "POST"])

_PLACE, _OTHERS = "_console_place", "_console_others"
_SAFE = frozenset({"GET", "HEAD"})
_LOOKS = "You look at this tenant as an operator: nothing of it is changed here."


def place_page(page: Page) -> Page:
    """Let members of the tenant in the address see a page, and act there as such.

    The page is called with the `place`, a `Member` with its tenant. What it writes is
    one transaction; a form with a nonce does it once, however often it is sent.
    """

    @signed_in_page
    @wraps(page)
    def answer(request: HttpRequest, tenant: str, **named: Any) -> HttpResponse:
        places = selectors.places(user_id=request.user.pk or 0)
        place = _taken(request, places, tenant)
        setattr(request, _PLACE, place)
        setattr(request, _OTHERS, [each for each in places if each != place])
        actor = _actor(place)
        if is_looking(place) and request.method not in _SAFE:
            return refusal(request, 403, "Not yours to do", _LOOKS)
        try:
            # What is only looked at is of one moment: its parts and totals agree.
            is_still = request.method != "POST"
            with as_tenant(place.tenant_id, is_still=is_still), acting_as(actor):
                shown = partial(page, request, place=place, **named)
                if request.method == "POST":
                    take_turn(place.tenant_id)
                    return _once(request, place, shown)
                return shown()
        except PermissionDenied as refused:
            return refusal(request, 403, "Not yours to do", refused.message)

    return answer


def _once(
    request: HttpRequest, place: Member, do: Callable[[], HttpResponse]
) -> HttpResponse:
    """Do what a form asks, or say that it is used up and what to do instead."""
    context: dict[str, Any] = {"place": place, "form_at": request.get_full_path()}
    try:
        return do_once(request, do, tenant_id=place.tenant_id)
    except FormTooOldError:
        page, status = "form_too_old", 400
    except FormSentBeforeError as before:
        page, status = "form_sent_before", 409
        context["made_at"] = before.address
    return render(request, f"pages/console/{page}.html", context, status=status)


def _taken(request: HttpRequest, places: list[Member], slug: str) -> Member:
    """Return the place in a tenant, an operator's who looks too; raises `NotFound`."""
    try:
        return selectors.place_among(places, slug=slug)
    except NotFound:
        return place_looked_at(request, slug=slug, now=timezone.now())


def _actor(place: Member) -> Actor:
    if is_looking(place):
        return actor_looking(place)
    return replace(selectors.actor_in(place), request_id=current().request_id)


def place_of(request: HttpRequest) -> Member | None:
    """Return the place that whoever asked has in the tenant that is open."""
    return getattr(request, _PLACE, None)


def others_of(request: HttpRequest) -> list[Member]:
    """Return the same person's places in other tenants, by the tenants' names."""
    found: list[Member] = getattr(request, _OTHERS, [])
    return found


def require(scope: Scope) -> None:
    """Raise `PermissionDenied` unless whoever acts holds a right."""
    actor = current()
    if actor.may(scope):
        return
    if actor.kind is ActorKind.OPERATOR:
        raise PermissionDenied(_LOOKS)
    raise PermissionDenied(
        "The tenant is suspended: it can be looked at, and nothing of it changes."
        if actor.is_suspended
        else f"Your role does not hold the right {scope}. Ask an owner or admin."
    )
