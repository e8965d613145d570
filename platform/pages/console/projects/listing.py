"""A tenant's projects: what each spent, how near its budget is, who works in it.

Spend is compared with the period before as far as this one has come, so that the
comparison is of equal lengths.

Failure: where there is no period before, its column says so.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from kit.acting import current
from kit.scopes import Scope
from metering.budgets.selectors import Place, standing_of_each
from metering.usage.selectors import Dimension
from pages.console.frame import address_in
from pages.console.keys.parts import limit_cell
from pages.console.place import place_page, require
from pages.console.spending import BySpend, Spending, spending, spending_before, spent
from pages.design.address import query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import (
    Cell,
    Kind,
    money,
    nothing,
    number,
    percent_text,
    state,
    words,
)
from pages.design.files import FILE_ROWS_MAX, file_of, first_of, wants_file
from pages.design.filters import FilterForm
from pages.design.heading import Crumb, Heading
from pages.design.states import Empty
from pages.design.table import Asked, Column, Table
from pages.design.tiles import Tile, money_tile, number_tile
from tenants import selectors
from tenants.models import ApiKey, Level, Member, Project, ProjectMember, Tenant


class ProjectFilter(FilterForm):
    """What the list may be narrowed by."""

    search = forms.CharField(required=False, max_length=200, label="Search")
    archived = forms.ChoiceField(
        required=False,
        label="Archived",
        choices=[("", "left out"), ("yes", "listed")],
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """What is said of the projects that are shown, by their ids."""

    now: Spending | None
    before: Spending | None
    budgets: Mapping[int, Place]
    keys: Mapping[int, int]
    members: Mapping[int, int]


@require_safe
@place_page
def projects(request: HttpRequest, *, place: Member) -> HttpResponse:
    """List the projects that the member may see."""
    require(Scope.PROJECTS_READ)
    now, query, tenant = timezone.now(), query_of(request.GET), place.tenant
    form = ProjectFilter(request.GET)
    rows = _asked_for(form) if form.is_valid() else Project.objects.none()
    found = spending(tenant, Dimension.PROJECT, now=now)
    before = spending_before(tenant, Dimension.PROJECT, now=now)
    plain = _table(tenant, Figures(found, before, {}, {}, {}))
    asked = plain.asked(query)
    if wants_file(plain, query):
        whole, cut = first_of(plain, _ordered(rows, asked, found))
        table = _table(tenant, _figures(tenant, whole, found, before, now=now))
        return file_of(table, whole, query, name=f"projects-{tenant.slug}{cut}")
    count = rows.order_by().count()
    last = max(count - 1, 0) // plain.rows_per_page * plain.rows_per_page
    start = min(asked.offset(plain.rows_per_page), last)
    page = list(_ordered(rows, asked, found)[start : start + plain.rows_per_page])
    table = _table(tenant, _figures(tenant, page, found, before, now=now))
    context = {
        "place": place,
        "heading": _heading(place, found),
        "form": form,
        "tiles": _tiles(tenant, found, count),
        "tables": [table.laid_out(page, query, count=count)],
    }
    status = 200 if form.is_valid() else 400
    return render(request, "pages/console/page.html", context, status=status)


def _asked_for(form: ProjectFilter) -> QuerySet[Project]:
    given = form.cleaned_data
    rows = selectors.projects(
        search=given["search"].strip() or None,
        archived=None if given["archived"] else False,
        project_ids=current().project_ids,
    )
    return rows.select_related("tenant")


def _ordered(rows: QuerySet[Project], asked: Asked, found: Spending | None) -> Any:
    if asked.column == "spend":
        return BySpend(rows, found, is_falling=asked.is_descending)
    by = F("name")
    return rows.order_by(by.desc() if asked.is_descending else by.asc(), "-id")


def _figures(
    tenant: Tenant,
    rows: Sequence[Project],
    found: Spending | None,
    before: Spending | None,
    *,
    now: dt.datetime,
) -> Figures:
    ids = [row.pk for row in rows]
    kept = Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))
    keys = ApiKey.objects.filter(kept, project_id__in=ids)
    places = ProjectMember.objects.filter(project_id__in=ids)
    return Figures(
        now=found,
        before=before,
        budgets=standing_of_each(
            tenant=tenant, level=Level.PROJECT, holder_ids=ids, now=now
        ),
        keys=_counted(keys),
        members=_counted(places),
    )


def _counted(rows: Any) -> dict[int, int]:
    counted = rows.order_by().values("project_id").annotate(count=Count("id"))
    return {each["project_id"]: each["count"] for each in counted}


def _heading(place: Member, found: Spending | None) -> Heading:
    tenant = place.tenant
    acts: tuple[Crumb, ...] = ()
    if current().may(Scope.PROJECTS_WRITE):
        acts = (Crumb("New project", address_in(tenant)("console:project_new")),)
    period = (f"spend of {found.span.name} so far, before tax",) if found else ()
    kept = () if current().project_ids is None else ("those that you are in",)
    return Heading(
        "Projects",
        scope=(tenant.name, *kept, *period),
        fresh=found.fresh if found else None,
        acts=acts,
    )


def _tiles(tenant: Tenant, found: Spending | None, count: int) -> list[Tile]:
    tiles = [number_tile("Projects", count, note="that fit the filters")]
    if found is None:
        return tiles
    label = f"Spend, {found.span.name}"
    return [
        money_tile(label, found.total, tenant.currency, note="all projects, so far"),
        *tiles,
    ]


def _table(tenant: Tenant, figures: Figures) -> Table[Project]:
    currency = tenant.currency
    picos = figures.now.picos if figures.now else {}
    return Table(
        name="projects",
        title="Projects",
        file_rows_max=FILE_ROWS_MAX,
        usual_sort="name",
        empty=Empty(
            "No project fits",
            "A project has keys, members and budgets of its own.",
        ),
        columns=(
            Column(
                "name",
                "Project",
                lambda row: words(row.name, address=at_project(row), note=row.slug),
                sort=lambda row: row.name,
            ),
            Column("state", "State", lambda row: state(project_badge(row))),
            Column(
                "keys",
                "Keys",
                lambda row: number(figures.keys.get(row.pk, 0)),
                Kind.NUMBER,
                note="That have neither ended nor been revoked.",
            ),
            Column(
                "members",
                "Members",
                lambda row: number(figures.members.get(row.pk, 0)),
                Kind.NUMBER,
                note="Put into it; owners and admins reach every project.",
            ),
            Column(
                "budget",
                "Its limit",
                lambda row: limit_cell(figures.budgets.get(row.pk)),
            ),
            Column(
                "spend",
                f"Spend, {currency}",
                lambda row: spent(figures.now, row.pk, currency),
                Kind.NUMBER,
                sort=lambda row: picos.get(row.pk, 0),
            ),
            Column(
                "before",
                f"Before, {currency}",
                lambda row: (
                    spent(figures.before, row.pk, currency)
                    if figures.before
                    else nothing("no period before")
                ),
                Kind.NUMBER,
                note="The period before, as far as this one has come.",
            ),
            Column(
                "change",
                f"Change, {currency}",
                lambda row: _change(figures, row, currency),
                Kind.NUMBER,
            ),
        ),
    )


def at_project(row: Project, page: str = "project", *, slug: str = "") -> str:
    """Return the address of one of a project's pages."""
    return reverse(f"console:{page}", args=(slug or row.tenant.slug, row.pk))


def project_badge(row: Project) -> Badge:
    """Return whether a project is open."""
    if row.archived_at is not None:
        return Badge("archived", Tone.OVER)
    return Badge("open", Tone.GOOD)


def _change(figures: Figures, row: Project, currency: str) -> Cell:
    if figures.now is None or figures.before is None:
        return nothing("no period before")
    after = figures.now.picos.get(row.pk, 0)
    base = figures.before.picos.get(row.pk, 0)
    share = percent_text(after - base, base)
    said = f"{share} %" if share else ("new" if after else "none")
    return money(after - base, currency, note=said)
