"""Notifications: who gets which mail, and endpoints that are called with events.

A secret's text is rendered into the answer to the form that made it, and is nowhere
else. What is written goes through the services of the API.

Failure: what a service refuses is said beside its field, or above the page it came
from, and nothing is written. An endpoint of nobody or of others is not there.
"""

import datetime as dt
import json
from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from kit.acting import current
from kit.errors import Conflict, NotFound, PlatformError
from kit.scopes import Scope
from metering.alerts import selectors, services
from metering.alerts.models import Delivery, Endpoint
from metering.alerts.sending import body_of
from metering.alerts.telling import MAILED
from pages.console.notifications.forms import EndpointForm, SecretForm
from pages.console.notifications.mails import MailRow, mail_rows, mails_table
from pages.console.notifications.tables import (
    EndpointRow,
    at_cell,
    deliveries_table,
    delivery_badge,
    endpoint_badge,
    endpoints_table,
    events_of,
)
from pages.console.place import place_page, require
from pages.design.address import query_of
from pages.design.files import file_of, first_of, wants_file
from pages.design.heading import Crumb, Heading
from pages.design.paging import page_of
from pages.design.tiles import Tile, number_tile
from tenants import selectors as tenant_selectors
from tenants.mails.addresses import bill_readers
from tenants.models import Member

form_page = require_http_methods(["GET", "HEAD", "POST"])
_A_DAY = dt.timedelta(days=1)
_TESTED_FROM = ("limits", "my_mails")
_TEMPLATES = "pages/console/notifications"


@require_safe
@place_page
def notifications(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Show the endpoints, how they are, and who gets which mail."""
    require(Scope.WEBHOOKS_READ)
    now, query, zone = timezone.now(), query_of(request.GET), place.tenant.zone
    may_write = current().may(Scope.WEBHOOKS_WRITE)
    new = reverse("console:webhook_new", args=(place.tenant.slug,))
    table = endpoints_table(zone, new=new if may_write else "")
    rows = _endpoint_rows(place, now=now)
    if wants_file(table, query):
        return file_of(table, rows, query, name=f"webhooks-{place.tenant.slug}")
    if wants_file(mails_table(), query):
        mails = _mails(place)
        return file_of(mails_table(), mails, query, name=f"mails-{place.tenant.slug}")
    context = {
        "place": place,
        "heading": Heading(
            "Notifications",
            scope=(zone,),
            lead="Mails to people, and signed calls to programs.",
        ),
        "tiles": _tiles(rows),
        "tables": [
            table.laid_out(rows, query),
            mails_table().laid_out(_mails(place), query),
        ],
        "new": new if may_write else "",
        "may_write": may_write,
    }
    return render(request, f"{_TEMPLATES}/list.html", context)


@require_POST
@place_page
def test_mail(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Send whoever asks a mail, as alerts are sent."""
    require(Scope.LIMITS_READ)
    try:
        services.send_test_mail(member=place, now=timezone.now())
    except Conflict as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, f"A test is on its way to {place.email}.")
    came_from = request.POST.get("from")
    back = came_from if came_from in _TESTED_FROM else "notifications"
    return redirect(f"console:{back}", tenant=place.tenant.slug)


@form_page
@place_page
def new(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Ask for an endpoint, make it, and show its secret."""
    require(Scope.WEBHOOKS_WRITE)
    form = EndpointForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            issued = services.create_endpoint(tenant=place.tenant, **form.cleaned_data)
        except PlatformError as refused:
            _say(refused, form)
        else:
            return _issued(request, place, issued)
    asked = {"title": "New webhook endpoint", "button": "Add it"}
    return _ask(request, place, form, **asked)


@require_safe
@place_page
def endpoint(request: HttpRequest, *, place: Member, endpoint_id: int) -> HttpResponse:
    """Show one endpoint and what was sent to it."""
    require(Scope.WEBHOOKS_READ)
    row, query = selectors.endpoint(endpoint_id), query_of(request.GET)
    table = deliveries_table(
        place.tenant.zone, leads_to=lambda each: _delivery_address(place, each)
    )
    sent = selectors.deliveries_to(row)
    if wants_file(table, query):
        told, cut = first_of(table, sent)
        name = f"webhook-{row.pk}-deliveries{cut}"
        return file_of(table, told, query, name=name)
    context = {
        "place": place,
        "heading": Heading(row.name, scope=(row.url,), crumbs=_above(place)),
        "endpoint": row,
        "badge": endpoint_badge(row),
        "events": events_of(row),
        "may_write": current().may(Scope.WEBHOOKS_WRITE) and row.removed_at is None,
        "tables": [page_of(table, sent, query)],
        "failing_since": at_cell(row.failing_since, place.tenant.zone, missing=""),
        "former_until": at_cell(row.former_until, place.tenant.zone, missing=""),
        "has_former": bool(row.former_until and row.former_until > timezone.now()),
    }
    return render(request, f"{_TEMPLATES}/endpoint.html", context)


@form_page
@place_page
def edit(request: HttpRequest, *, place: Member, endpoint_id: int) -> HttpResponse:
    """Rename an endpoint, move it, choose other events for it."""
    require(Scope.WEBHOOKS_WRITE)
    row = selectors.endpoint(endpoint_id)
    initial = {"name": row.name, "url": row.url, "events": row.events}
    sent = request.POST if request.method == "POST" else None
    form = EndpointForm(sent, initial=initial)
    if form.is_valid():
        try:
            services.update_endpoint(endpoint=row, **form.cleaned_data)
        except PlatformError as refused:
            _say(refused, form)
        else:
            messages.success(request, f"{form.cleaned_data['name']} is changed.")
            return _back(place, row)
    return _ask(request, place, form, title=f"Change {row.name}", button="Save")


@form_page
@place_page
def rotate(request: HttpRequest, *, place: Member, endpoint_id: int) -> HttpResponse:
    """Give an endpoint another secret, and show it."""
    require(Scope.WEBHOOKS_WRITE)
    row = selectors.endpoint(endpoint_id)
    form = SecretForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            issued = services.rotate_secret(
                endpoint=row, now=timezone.now(), overlap=form.overlap
            )
        except PlatformError as refused:
            _say(refused, form)
        else:
            return _issued(request, place, issued)
    asked = {
        "title": f"Another secret for {row.name}",
        "lead": "Until the overlap ends each call carries two signatures: give the new"
        " secret to the program before then.",
        "button": "Make another secret",
    }
    return _ask(request, place, form, **asked)


def _dropped(waiting: int) -> str:
    if not waiting:
        return ""
    if waiting == 1:
        return "One event that waits for it is dropped. "
    return f"{waiting} events that wait for it are dropped. "


@form_page
@place_page
def remove(request: HttpRequest, *, place: Member, endpoint_id: int) -> HttpResponse:
    """Ask whether an endpoint shall never be called again, then remove it."""
    require(Scope.WEBHOOKS_WRITE)
    row = selectors.endpoint(endpoint_id)
    waiting = selectors.deliveries_to(row, state=Delivery.State.WAITING).count()
    if request.method == "POST":
        services.remove_endpoint(endpoint=row, now=timezone.now())
        messages.success(request, f"{row.name} is removed.")
        return redirect("console:notifications", tenant=place.tenant.slug)
    asked = {
        "title": f"Remove {row.name}?",
        "lead": "It is never called again, and its secret is forgotten. "
        f"{_dropped(waiting)}What was sent can still be read.",
        "button": "Remove it",
        "is_ending": True,
    }
    return _ask(request, place, Form(), **asked)


@require_POST
@place_page
def act(
    request: HttpRequest, *, place: Member, endpoint_id: int, verb: str
) -> HttpResponse:
    """Pause an endpoint, resume it, or send it a test."""
    require(Scope.WEBHOOKS_WRITE)
    row, now = selectors.endpoint(endpoint_id), timezone.now()
    try:
        if verb == "pause":
            services.pause_endpoint(endpoint=row, now=now)
            said = f"{row.name} is paused: events that come now are not kept for it."
        elif verb == "resume":
            services.resume_endpoint(endpoint=row)
            said = f"{row.name} is called again, with what still waits for it."
        elif verb == "test":
            services.send_test(endpoint=row, now=now)
            said = "A test is on its way: look again in a few seconds."
        else:
            raise NotFound(f"Nothing is called {verb[:20]} here.")
    except Conflict as refused:
        messages.error(request, refused.message)
    else:
        messages.success(request, said)
    return _back(place, row)


@form_page
@place_page
def delivery(
    request: HttpRequest, *, place: Member, endpoint_id: int, delivery_id: int
) -> HttpResponse:
    """Show what is or was sent, word for word; a POST sends it again."""
    require(Scope.WEBHOOKS_READ)
    row = selectors.endpoint(endpoint_id)
    sent = selectors.delivery(row, delivery_id)
    if request.method == "POST":
        require(Scope.WEBHOOKS_WRITE)
        try:
            services.replay(delivery=sent, now=timezone.now())
        except Conflict as refused:
            messages.error(request, refused.message)
        else:
            messages.success(request, "It is sent once more, under the same id.")
        return _back(place, row)
    zone = place.tenant.zone
    here = Crumb(row.name, reverse("console:webhook", args=(place.tenant.slug, row.pk)))
    context = {
        "place": place,
        "heading": Heading(
            sent.event.type,
            scope=(sent.event.public_id, *(("replay",) if sent.is_replay else ())),
            crumbs=[*_above(place), here],
        ),
        "sent": sent,
        "badge": delivery_badge(sent),
        "created_at": at_cell(sent.created_at, zone, missing=""),
        "last_tried_at": at_cell(sent.last_tried_at, zone, missing="not yet"),
        "next_at": at_cell(sent.next_at, zone, missing="no more"),
        "zone": zone,
        "payload": json.dumps(json.loads(body_of(sent.event)), indent=2),
        "may_replay": current().may(Scope.WEBHOOKS_WRITE)
        and row.state in ("active", "failing")
        and sent.state != Delivery.State.WAITING,
    }
    return render(request, f"{_TEMPLATES}/delivery.html", context)


def _endpoint_rows(place: Member, *, now: dt.datetime) -> list[EndpointRow]:
    # At most twenty are there at a time; removed ones stay readable by the API.
    rows = list(selectors.endpoints(tenant_id=place.tenant_id).filter(removed_at=None))
    failed = selectors.failed_lately([row.pk for row in rows], since=now - _A_DAY)
    return [
        EndpointRow(
            row,
            *failed.get(row.pk, (0, 0)),
            reverse("console:webhook", args=(place.tenant.slug, row.pk)),
        )
        for row in rows
    ]


def _tiles(rows: list[EndpointRow]) -> list[Tile]:
    states = [row.endpoint.state for row in rows]
    return [
        number_tile("Failing endpoints", states.count("failing")),
        number_tile("Paused endpoints", states.count("paused")),
        number_tile("Endpoints", len(rows), note=f"{services.ENDPOINTS_MAX} at most"),
    ]


def _mails(place: Member) -> list[MailRow]:
    wanted = {role for roles in MAILED.values() for role in roles}
    listed = tenant_selectors.members(tenant_id=place.tenant_id, removed=False)
    return mail_rows(
        MAILED,
        list(listed.filter(role__in=wanted).exclude(email="")[:200]),
        billing_email=place.tenant.billing_email,
        bills_to=bill_readers(place.tenant),
    )


def _above(place: Member) -> list[Crumb]:
    address = reverse("console:notifications", args=(place.tenant.slug,))
    return [Crumb("Notifications", address)]


def _delivery_address(place: Member, row: Delivery) -> str:
    args = (place.tenant.slug, row.endpoint_id, row.pk)
    return reverse("console:webhook_delivery", args=args)


def _back(place: Member, row: Endpoint) -> HttpResponse:
    return redirect("console:webhook", tenant=place.tenant.slug, endpoint_id=row.pk)


def _issued(
    request: HttpRequest, place: Member, issued: services.IssuedEndpoint
) -> HttpResponse:
    """Show a secret, this once."""
    context = {"place": place, "endpoint": issued.row, "secret": issued.secret}
    page = render(request, f"{_TEMPLATES}/secret.html", context, status=201)
    args = (place.tenant.slug, issued.row.pk)
    page["Location"] = reverse("console:webhook", args=args)
    return page


def _ask(
    request: HttpRequest, place: Member, form: Form, **context: Any
) -> HttpResponse:
    status = 400 if form.is_bound and form.errors else 200
    shown = {"place": place, "form": form, **context}
    return render(request, f"{_TEMPLATES}/form.html", shown, status=status)


def _say(refused: PlatformError, form: EndpointForm | SecretForm) -> None:
    form.add_error(form.fields_of_refusals.get(refused.param or ""), refused.message)
