"""Places offered by mail: offered, sent anew, taken back.

Failure: what the service refuses, an address that has its place or was written to a
moment ago, is said beside the field or above the list.
"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from kit.errors import NotFound, PlatformError
from kit.scopes import Scope
from pages.console.forms import ask, say, sent
from pages.console.frame import address_in
from pages.console.people.forms import InviteForm
from pages.console.place import form_page, place_page, require
from tenants import selectors, services
from tenants.models import Invitation, Member, Role

PROJECTS_OFFERED = 200


@form_page
@place_page
def invite(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Ask whom a place is offered to and as what, then send the invitation."""
    require(Scope.MEMBERS_WRITE)
    projects = selectors.projects(archived=False).order_by("name")[:PROJECTS_OFFERED]
    form = InviteForm(
        sent(request), is_owner=place.role == Role.OWNER, projects=projects
    )
    back = address_in(place.tenant)("console:members")
    if form.is_valid():
        try:
            row = services.invite(
                tenant=place.tenant,
                email=form.cleaned_data["email"],
                role=form.cleaned_data["role"],
                project_ids=form.project_ids,
                now=timezone.now(),
            )
        except PlatformError as refused:
            say(refused, form, form.fields_of_refusals)
        else:
            messages.success(request, f"An invitation goes to {row.email}.")
            return redirect(back)
    return ask(
        request, "people/invite", form, {"place": place, "form": form, "back": back}
    )


@form_page
@place_page
def resend(request: HttpRequest, *, place: Member, invitation_id: int) -> HttpResponse:
    """Ask whether another link shall be sent, then send it."""
    row = _offered(invitation_id)
    back = address_in(place.tenant)("console:members")
    if request.method != "POST":
        context = {"place": place, "invitation": row, "back": back}
        return render(request, "pages/console/people/resend.html", context)
    try:
        services.resend_invitation(invitation=row, now=timezone.now())
    except PlatformError as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, f"Another invitation goes to {row.email}.")
    return redirect(back)


@form_page
@place_page
def revoke(request: HttpRequest, *, place: Member, invitation_id: int) -> HttpResponse:
    """Ask whether an offer shall be taken back, then take it."""
    row = _offered(invitation_id)
    back = address_in(place.tenant)("console:members")
    if request.method != "POST":
        context = {"place": place, "invitation": row, "back": back}
        return render(request, "pages/console/people/revoke.html", context)
    try:
        services.revoke_invitation(invitation=row, now=timezone.now())
    except PlatformError as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, "The invitation is taken back; its link is dead.")
    return redirect(back)


def _offered(invitation_id: int) -> Invitation:
    require(Scope.MEMBERS_WRITE)
    row = selectors.invitation(invitation_id, now=timezone.now())
    if row.accepted_at is not None or row.revoked_at is not None:
        raise NotFound("This invitation is no longer open.")
    return row
