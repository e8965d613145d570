"""A member's own management tokens: seen, issued, rotated, revoked.

A token's text is rendered into the answer to the form that asked for it, and is then
nowhere: not in the session, a message, an address or a cache.

Failure: what a service refuses is said beside its field, and nothing is written. A
token of anybody else is not there, be it a colleague's who may be managed elsewhere.
"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from kit.acting import current
from kit.errors import NotFound, PlatformError
from kit.scopes import Scope, beyond
from pages.console.forms import ask, say, sent
from pages.console.place import form_page, place_page, require
from pages.console.tokens.forms import NewTokenForm, RotationForm
from tenants import selectors, services
from tenants.models import ManagementToken, Member

ACTIVE_SHOWN_MAX = 100
ENDED_SHOWN_MAX = 20


@require_safe
@place_page
def tokens(request: HttpRequest, *, place: Member) -> HttpResponse:
    """List the member's own tokens, those that work before those that ended."""
    require(Scope.TOKENS_READ)
    now, actor = timezone.now(), current()
    listed = selectors.tokens(now=now, member_id=place.pk, active=True)
    ended = selectors.tokens(now=now, member_id=place.pk, active=False)
    context = {
        "place": place,
        "may_issue": actor.may(Scope.TOKENS_WRITE),
        "is_suspended": actor.is_suspended,
        "active": [
            (row, beyond(map(Scope, row.scopes), actor.scopes))
            for row in listed.select_related("replaced_by")[:ACTIVE_SHOWN_MAX]
        ],
        "ended": [(row, row.state_at(now)) for row in ended[:ENDED_SHOWN_MAX]],
        "ended_max": ENDED_SHOWN_MAX,
    }
    return render(request, "pages/console/tokens.html", context)


@form_page
@place_page
def issue(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Ask what a new token is for and may do, then issue it."""
    require(Scope.TOKENS_WRITE)
    form = NewTokenForm(sent(request), held=current().scopes)
    context = {"place": place, "form": form}
    if form.is_valid():
        now = timezone.now()
        try:
            issued = services.issue_token(
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                tenant=place.tenant,
                member=place,
                expires_at=form.expires_at(now=now),
                now=now,
            )
        except PlatformError as refused:
            say(refused, form, form.fields_of_refusals)
        else:
            return _issued(request, place, issued)
    return ask(request, "token_new", form, context)


@form_page
@place_page
def rotate(request: HttpRequest, *, place: Member, token_id: int) -> HttpResponse:
    """Ask how long the old token goes on, then replace it."""
    require(Scope.TOKENS_WRITE)
    row = _own(place, token_id)
    form = RotationForm(sent(request))
    context = {"place": place, "form": form, "token": row}
    if form.is_valid():
        try:
            issued = services.rotate_token(
                token=row, overlap=form.overlap, now=timezone.now()
            )
        except PlatformError as refused:
            say(refused, form, form.fields_of_refusals)
        else:
            return _issued(request, place, issued)
    return ask(request, "token_rotate", form, context)


@form_page
@place_page
def revoke(request: HttpRequest, *, place: Member, token_id: int) -> HttpResponse:
    """Ask whether a token shall end, then revoke it.

    A suspended tenant's too: what may have leaked can be closed at any time.
    """
    row = _own(place, token_id)
    if request.method != "POST":
        context = {"place": place, "token": row}
        return render(request, "pages/console/token_revoke.html", context)
    services.revoke_token(token=row, now=timezone.now())
    messages.success(request, f"The token {row.name} is revoked.")
    return redirect("console:tokens", tenant=place.tenant.slug)


def _own(place: Member, token_id: int) -> ManagementToken:
    """Return one of the member's own tokens; raises `NotFound`."""
    row = selectors.token(token_id)
    # One who only looks has no place, as a service's token has no holder.
    if row.member_id is None or row.member_id != place.pk:
        raise NotFound(f"There is no token {token_id}.")
    return row


def _issued(
    request: HttpRequest, place: Member, issued: services.IssuedToken
) -> HttpResponse:
    """Show a new token, this once."""
    context = {"place": place, "token": issued.row, "text": issued.token}
    page = render(request, "pages/console/token_issued.html", context, status=201)
    page["Location"] = reverse("console:tokens", args=(place.tenant.slug,))
    return page
