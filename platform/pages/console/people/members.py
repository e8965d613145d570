"""A tenant's people: their roles and projects, and the places that are offered.

Whether somebody has a second factor and was here lately is told to those who manage
members, and to nobody else.

Failure: a filter that makes no sense is said beside its field.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Count, F, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.views.decorators.http import require_safe

from kit.acting import current
from kit.scopes import Scope
from metering.usage.zones import date_at
from pages.console.frame import address_in
from pages.console.people.accounts import Account, accounts
from pages.console.place import place_page, require
from pages.design.address import query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind, clock, day, nothing, number, state, words
from pages.design.files import FILE_ROWS_MAX, file_of, first_of, wants_file
from pages.design.filters import FilterForm
from pages.design.heading import Crumb, Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.design.tiles import number_tile
from tenants import selectors
from tenants.models import ApiKey, Invitation, Member, ProjectMember, Role

# There are at most so many open ones.
OFFERS_SHOWN = 500
_ORDERS = {"email": F("email"), "role": F("role"), "since": F("id")}


class MemberFilter(FilterForm):
    """What the list may be narrowed by."""

    search = forms.CharField(required=False, max_length=200, label="Search")
    role = forms.ChoiceField(
        required=False, label="Role", choices=[("", "any"), *Role.choices]
    )
    removed = forms.ChoiceField(
        required=False,
        label="Who left",
        choices=[("", "left out"), ("yes", "listed")],
    )


@require_safe
@place_page
def members(request: HttpRequest, *, place: Member) -> HttpResponse:
    """List the members, and the places that are offered."""
    require(Scope.MEMBERS_READ)
    now, query, tenant = timezone.now(), query_of(request.GET), place.tenant
    form = MemberFilter(request.GET)
    rows = _asked_for(form) if form.is_valid() else Member.objects.none()
    leads = current().may(Scope.MEMBERS_WRITE)
    plain = _table(place, {}, {}, leads=leads, now=now)
    asked = plain.asked(query)
    by = _ORDERS[asked.column]
    ordered = rows.order_by(by.desc() if asked.is_descending else by.asc(), "id")
    count, cut = 0, ""
    if wants_file(plain, query):
        page, cut = first_of(plain, ordered)
    else:
        count = rows.order_by().count()
        last = max(count - 1, 0) // plain.rows_per_page * plain.rows_per_page
        start = min(asked.offset(plain.rows_per_page), last)
        page = list(ordered[start : start + plain.rows_per_page])
    table = _table(
        place,
        accounts(page) if leads else {},
        _keys(page),
        leads=leads,
        now=now,
    )
    if wants_file(table, query):
        return file_of(table, page, query, name=f"members-{tenant.slug}{cut}")
    offers = _offers(now) if leads else []
    context: dict[str, Any] = {
        "place": place,
        "heading": _heading(place, leads=leads),
        "form": form,
        "tiles": [
            number_tile("Members", count, note="that fit the filters"),
            *([number_tile("Places offered", len(offers))] if leads else []),
        ],
        "tables": [table.laid_out(page, query, count=count)],
    }
    if leads:
        context["tables"].append(_offer_table(place).laid_out(offers, query))
    status = 200 if form.is_valid() else 400
    return render(request, "pages/console/page.html", context, status=status)


def _asked_for(form: MemberFilter) -> QuerySet[Member]:
    given = form.cleaned_data
    rows = selectors.members(
        search=given["search"].strip() or None,
        role=given["role"] or None,
        removed=None if given["removed"] else False,
    )
    places = ProjectMember.objects.select_related("project")
    reach = current().project_ids
    if reach is not None:
        # Who is in a project beyond is nothing for whoever is not in it.
        places = places.filter(project_id__in=reach)
    return rows.prefetch_related(None).prefetch_related(Prefetch("places", places))


def _offers(now: dt.datetime) -> list[Invitation]:
    """Return the places that are offered still, or that ran out and can be anew."""
    rows = selectors.invitations(now=now).filter(accepted_at=None, revoked_at=None)
    return list(rows.select_related("invited_by").order_by("-id")[:OFFERS_SHOWN])


def _keys(rows: list[Member]) -> dict[int, int]:
    """Count the keys of members that are not revoked, in the reader's projects."""
    ids = [row.pk for row in rows]
    kept = ApiKey.objects.filter(Q(revoked_at=None), member_id__in=ids).order_by()
    reach = current().project_ids
    if reach is not None:
        kept = kept.filter(project_id__in=reach)
    counted = kept.values("member_id").annotate(count=Count("id"))
    return {each["member_id"]: each["count"] for each in counted}


def _heading(place: Member, *, leads: bool) -> Heading:
    acts: tuple[Crumb, ...] = ()
    if leads:
        invite = address_in(place.tenant)("console:member_invite")
        acts = (Crumb("Invite somebody", invite),)
    return Heading("Members", scope=(place.tenant.name,), acts=acts)


def at_member(row: Member, place: Member, page: str = "member") -> str:
    """Return the address of one of a member's pages."""
    return reverse(f"console:{page}", args=(place.tenant.slug, row.pk))


def _table(
    place: Member,
    known: Mapping[int, Account],
    keys: Mapping[int, int],
    *,
    leads: bool,
    now: dt.datetime,
) -> Table[Member]:
    zone = place.tenant.zone
    columns: list[Column[Member]] = [
        Column(
            "email",
            "Member",
            lambda row: words(
                row.email or "somebody forgotten",
                address=at_member(row, place) if leads and not row.removed_at else "",
                note="you" if row.pk == place.pk else row.name,
            ),
            sort=lambda row: row.email,
        ),
        Column(
            "role",
            "Role",
            lambda row: (
                state(Badge("left", Tone.OVER)) if row.removed_at else words(row.role)
            ),
            sort=lambda row: row.role,
        ),
        Column("projects", "Projects", _projects),
        Column(
            "keys", "Own keys", lambda row: number(keys.get(row.pk, 0)), Kind.NUMBER
        ),
        Column(
            "since",
            f"Since ({zone})",
            lambda row: day(date_at(row.created_at, zone)),
            sort=lambda row: row.pk,
        ),
    ]
    if leads:
        columns[4:4] = [
            Column("factor", "Second factor", lambda row: _factor(known.get(row.pk))),
            Column(
                "seen", "Signed in", lambda row: _seen(known.get(row.pk), zone, now)
            ),
        ]
    return Table(
        name="members",
        title="Members",
        usual_sort="email",
        columns=columns,
        file_rows_max=FILE_ROWS_MAX,
    )


def _projects(row: Member) -> Cell:
    if row.role != Role.DEVELOPER:
        return nothing("every one")
    names = [place.project.name for place in row.places.all()]
    if names:
        return words(", ".join(sorted(names)))
    is_all_seen = current().project_ids is None
    return nothing("none yet" if is_all_seen else "none of yours")


def _factor(found: Account | None) -> Cell:
    if found is None:
        return nothing("not known")
    if found.has_second_factor:
        return state(Badge("set up", Tone.GOOD))
    return state(Badge("none", Tone.WAIT))


def _seen(found: Account | None, zone: str, now: dt.datetime) -> Cell:
    if found is None or found.signed_in_at is None:
        return nothing("never")
    exact = clock(found.signed_in_at, zone)
    ago = f"{timesince(found.signed_in_at, now, depth=1)} ago"
    return Cell(ago, exact.value, title=exact.title)


def _offer_table(place: Member) -> Table[Invitation]:
    def act(row: Invitation, page: str) -> str:
        return reverse(f"console:{page}", args=(place.tenant.slug, row.pk))

    return Table(
        name="offers",
        title="Places offered",
        note="A link works once, for an account of the address that it was sent to.",
        is_one_of_many=True,
        has_file=False,
        empty=Empty("No place is offered", "An invitation offers one by mail."),
        columns=(
            Column("email", "To", lambda row: words(row.email or "somebody forgotten")),
            Column("role", "As", lambda row: words(row.role)),
            Column("state", "State", _offer_state),
            Column(
                "by",
                "By",
                lambda row: (
                    words(row.invited_by.email)
                    if row.invited_by and row.invited_by.email
                    else nothing("an operator or a program")
                ),
            ),
            Column(
                "until",
                f"Until ({place.tenant.zone})",
                lambda row: clock(row.expires_at, place.tenant.zone),
            ),
            Column(
                "resend",
                "Mail",
                lambda row: words("Send anew", address=act(row, "invitation_resend")),
            ),
            Column(
                "revoke",
                "Place",
                lambda row: words("Take back", address=act(row, "invitation_revoke")),
            ),
        ),
    )


def _offer_state(row: Invitation) -> Cell:
    if row.state == Invitation.State.EXPIRED:  # type: ignore[attr-defined]
        return state(Badge("ran out", Tone.OVER))
    if row.sent_at is None:
        failed = (
            f"the mail failed {row.send_failures} times" if row.send_failures else ""
        )
        return state(Badge("mail on its way", Tone.WAIT), note=failed)
    return state(Badge("open", Tone.PLAIN))
