"""One member: another role or other projects, or out of the tenant with what is theirs.

Failure: what the service refuses, the last owner above all, is said on the form, and
nothing is written. A member who has left is not there to be changed.
"""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from kit.errors import NotFound, PlatformError
from kit.scopes import Scope
from pages.console.forms import ask, say, sent
from pages.console.frame import address_in
from pages.console.people.forms import PlaceForm
from pages.console.people.inviting import PROJECTS_OFFERED
from pages.console.people.members import at_member
from pages.console.place import form_page, place_page, require
from tenants import selectors, services
from tenants.models import Member, Project, Role


@form_page
@place_page
def member(request: HttpRequest, *, place: Member, member_id: int) -> HttpResponse:
    """Ask for a member's role and projects, then change them."""
    require(Scope.MEMBERS_WRITE)
    row, now = _present(member_id), timezone.now()
    inside = {each.project_id for each in row.places.all()}
    form = PlaceForm(
        sent(request),
        is_owner=place.role == Role.OWNER,
        projects=_projects(inside),
        initial={"role": row.role, "projects": [str(each) for each in inside]},
    )
    if form.is_valid():
        wanted = form.project_ids if "projects" in form.fields else None
        try:
            services.update_member(
                member=row, role=form.cleaned_data["role"], project_ids=wanted, now=now
            )
        except PlatformError as refused:
            say(refused, form, form.fields_of_refusals)
        else:
            messages.success(request, f"{_called(row)} is changed.")
            return redirect(address_in(place.tenant)("console:members"))
    context = {
        "place": place,
        "form": form,
        "member": row,
        "holdings": selectors.holdings(row, now=now),
        "remove": at_member(row, place, "member_remove"),
        "back": address_in(place.tenant)("console:members"),
    }
    return ask(request, "people/member", form, context)


@form_page
@place_page
def remove(request: HttpRequest, *, place: Member, member_id: int) -> HttpResponse:
    """Ask whether a member shall leave, counting what ends, then remove them."""
    require(Scope.MEMBERS_WRITE)
    row, now = _present(member_id), timezone.now()
    listed = address_in(place.tenant)("console:members")
    if request.method == "POST":
        try:
            services.remove_member(member=row, now=now)
        except PlatformError as refused:
            messages.error(request, refused.message)
        else:
            messages.success(request, f"{_called(row)} is no member any more.")
        return redirect(listed)
    context = {
        "place": place,
        "member": row,
        "called": _called(row),
        "holdings": selectors.holdings(row, now=now),
        "is_self": row.pk == place.pk,
        "back": at_member(row, place),
    }
    return render(request, "pages/console/people/remove.html", context)


def _present(member_id: int) -> Member:
    row = selectors.member(member_id)
    if row.removed_at is not None:
        raise NotFound("This member has left.")
    return row


def _projects(inside: set[int]) -> list[Project]:
    """Return the open projects, and those that the member is in already."""
    rows = selectors.projects(archived=False).order_by("name")[:PROJECTS_OFFERED]
    found = {row.pk: row for row in rows}
    missing = inside - found.keys()
    return [*found.values(), *selectors.projects(project_ids=missing)]


def _called(row: Member) -> str:
    return row.email or f"Member {row.pk}"
