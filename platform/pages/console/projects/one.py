"""One project: opened, renamed, archived; what it spends and what holds it back.

Failure: a project that the member is not in is not there. What a service refuses is
said beside its field.
"""

import datetime as dt
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from kit.acting import current
from kit.errors import PlatformError
from kit.scopes import Scope
from metering.budgets.selectors import standing
from metering.usage.selectors import Dimension
from metering.usage.zones import date_at
from pages.console.forms import TypedName, ask, say, sent
from pages.console.frame import address_in
from pages.console.holding import holding_table, kept_to
from pages.console.keys.parts import at_key, key_badge, lately
from pages.console.place import form_page, place_page, require
from pages.console.projects.listing import at_project, project_badge
from pages.console.spending import spending
from pages.design.address import query_of
from pages.design.cells import day, nothing, state, words
from pages.design.heading import Crumb, Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import Tile, missing_tile, money_tile, number_tile
from tenants import selectors, services
from tenants.models import ApiKey, Member, Project, ProjectMember

KEYS_SHOWN = 100
_NAME_MAX = 200
_FIELDS = {"name": "name", "slug": "slug"}


class RenameForm(forms.Form):
    """What a project is called."""

    name = forms.CharField(label="Name", max_length=_NAME_MAX)


class NewProjectForm(RenameForm):
    """A new project."""

    slug = forms.CharField(
        label="Short name",
        max_length=63,
        help_text="Lower-case letters, digits and hyphens. It stands in reports and"
        " never changes.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


@form_page
@place_page
def create(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Ask what a new project is called, then create it."""
    require(Scope.PROJECTS_WRITE)
    form = NewProjectForm(sent(request))
    if form.is_valid():
        try:
            row = services.create_project(
                tenant=place.tenant,
                slug=form.cleaned_data["slug"],
                name=form.cleaned_data["name"],
            )
        except PlatformError as refused:
            say(refused, form, _FIELDS)
        else:
            messages.success(request, f"{row.name} is there; give it a key.")
            return redirect(at_project(row))
    context = {
        "place": place,
        "form": form,
        "back": address_in(place.tenant)("console:projects"),
    }
    return ask(request, "projects/new", form, context)


@require_safe
@place_page
def project(request: HttpRequest, *, place: Member, project_id: int) -> HttpResponse:
    """Show a project."""
    require(Scope.PROJECTS_READ)
    now, query = timezone.now(), query_of(request.GET)
    row = _seen(project_id)
    keys = selectors.api_keys(now=now, project_id=row.pk, active=True)
    context: dict[str, Any] = {
        "place": place,
        "heading": Heading(
            row.name,
            scope=(f"short name {row.slug}", project_badge(row).word),
            crumbs=(Crumb("Projects", address_in(place.tenant)("console:projects")),),
            acts=_acts(row),
        ),
        "tiles": _tiles(place, row, keys.order_by().count(), now=now),
        "tables": [
            holding_table(
                "budgets and quotas that its keys count to",
                Empty("No budget and no quota holds for it"),
                place.tenant.zone,
            ).laid_out(
                kept_to(standing(tenant=place.tenant, project=row, now=now)), query
            ),
            _members_table(place).laid_out(_members(row), query),
        ],
    }
    if current().may(Scope.KEYS_READ):
        shown = list(keys.order_by("-id")[:KEYS_SHOWN])
        table = _keys_table(place, now=now)
        context["tables"].insert(0, table.laid_out(shown, query))
    return render(request, "pages/console/page.html", context)


@form_page
@place_page
def rename(request: HttpRequest, *, place: Member, project_id: int) -> HttpResponse:
    """Ask for another name, then rename a project."""
    require(Scope.PROJECTS_WRITE)
    row = _seen(project_id)
    form = RenameForm(sent(request), initial={"name": row.name})
    if form.is_valid():
        try:
            services.rename_project(project=row, name=form.cleaned_data["name"])
        except PlatformError as refused:
            say(refused, form, _FIELDS)
        else:
            return redirect(at_project(row))
    context = {"place": place, "form": form, "project": row, "back": at_project(row)}
    return ask(request, "projects/rename", form, context)


@form_page
@place_page
def archive(request: HttpRequest, *, place: Member, project_id: int) -> HttpResponse:
    """Ask for the project's short name and say what ends, then archive it for good."""
    require(Scope.PROJECTS_WRITE)
    row, now = _seen(project_id), timezone.now()
    form = TypedName(sent(request), expected=row.slug)
    if form.is_valid():
        services.archive_project(project=row, now=now)
        messages.success(request, f"{row.name} is archived; its keys open nothing.")
        return redirect(at_project(row))
    keys = selectors.api_keys(now=now, project_id=row.pk, active=True)
    ids = list(keys.order_by().values_list("pk", flat=True))
    context = {
        "place": place,
        "form": form,
        "project": row,
        "back": at_project(row),
        "keys": len(ids),
        "lately": lately(place.tenant, ids, now=now),
    }
    return ask(request, "projects/archive", form, context)


def _seen(project_id: int) -> Project:
    return selectors.project(project_id, project_ids=current().project_ids)


def _acts(row: Project) -> tuple[Crumb, ...]:
    if not current().may(Scope.PROJECTS_WRITE):
        return ()
    acts = [Crumb("Rename", at_project(row, "project_rename"))]
    if row.archived_at is None:
        acts.append(Crumb("Archive", at_project(row, "project_archive")))
    return tuple(acts)


def _tiles(place: Member, row: Project, keys: int, *, now: dt.datetime) -> list[Tile]:
    found = spending(place.tenant, Dimension.PROJECT, now=now)
    if found is None:
        spend = missing_tile("Spend", note="no billing period yet")
    else:
        spend = money_tile(
            "Spend",
            found.picos.get(row.pk, 0),
            place.tenant.currency,
            note=f"{found.span.name} so far, before tax",
        )
    return [spend, number_tile("Active keys", keys)]


def _members(row: Project) -> list[ProjectMember]:
    rows = ProjectMember.objects.filter(project=row, member__removed_at=None)
    return list(rows.select_related("member").order_by("member__email", "pk"))


def _members_table(place: Member) -> Table[ProjectMember]:
    leads, zone = current().may(Scope.MEMBERS_WRITE), place.tenant.zone
    at = address_in(place.tenant)("console:members")
    return Table(
        name="members",
        title="Put into it",
        note="Owners, admins, billing and viewers see every project without.",
        has_file=False,
        empty=Empty(
            "Nobody is put into it",
            "Developers work in the projects that they are in.",
            "See the members",
            at,
        ),
        columns=(
            Column(
                "member",
                "Member",
                lambda row: words(
                    row.member.email or "somebody forgotten",
                    address=f"{at}{row.member_id}/" if leads else "",
                ),
            ),
            Column("role", "Role", lambda row: words(row.member.role)),
            Column(
                "since",
                f"Since ({zone})",
                lambda row: day(date_at(row.created_at, zone)),
            ),
        ),
    )


def _keys_table(place: Member, *, now: dt.datetime) -> Table[ApiKey]:
    may_issue, zone = current().may(Scope.KEYS_WRITE), place.tenant.zone
    return Table(
        name="keys",
        title="Its active keys",
        has_file=False,
        rows_per_page=KEYS_SHOWN,
        empty=Empty(
            "It has no active key",
            "A program calls with one.",
            "Create a key" if may_issue else "",
            address_in(place.tenant)("console:key_new") if may_issue else "",
        ),
        columns=(
            Column(
                "name",
                "Key",
                lambda row: words(row.name, address=at_key(row), note=row.shown),
            ),
            Column("state", "State", lambda row: state(key_badge(row.state_at(now)))),
            Column(
                "used",
                f"Last used ({zone})",
                lambda row: (
                    day(
                        date_at(row.last_use.last_used_at, zone),
                        note=row.last_use.model,
                    )
                    if row.last_use
                    else nothing("never")
                ),
            ),
        ),
    )
