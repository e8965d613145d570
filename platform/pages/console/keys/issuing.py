"""A new API key, and one in place of another: its text is shown on one page, once.

The text is rendered into the answer to the form that asked for it, and is then nowhere:
not in the session, a message, an address or a cache. A form that is sent again, as by
a reload, issues nothing (`kit.sent_once`).

Failure: what a service refuses is said beside its field, and nothing is written.
"""

import datetime as dt
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from kit.acting import current
from kit.errors import PlatformError
from kit.scopes import Scope
from pages.access import live_page
from pages.console.catalog.offers import chat_models
from pages.console.forms import ask, say, sent
from pages.console.frame import address_in
from pages.console.keys.forms import NewKeyForm
from pages.console.keys.parts import at_key, require_own
from pages.console.place import form_page, place_page, require
from pages.console.tokens.forms import RotationForm
from pages.design.states import Empty
from tenants import rights, selectors, services
from tenants.models import ApiKey, Member

_ALL = "$TOLLGATE_MODEL"


@form_page
@live_page
@place_page
def issue(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Ask what a new key is for and may do, then issue it."""
    require(Scope.KEYS_WRITE)
    projects = selectors.projects(
        archived=False, project_ids=current().project_ids
    ).order_by("name", "pk")
    context: dict[str, Any] = {"place": place}
    if not projects.exists():
        context["empty"] = _no_project(place)
        return render(request, "pages/console/keys/new.html", context)
    form = NewKeyForm(
        sent(request),
        held=current().scopes,
        projects=projects,
        may_give_services=rights.manages(current()),
    )
    context["form"] = form
    if form.is_valid():
        now = timezone.now()
        try:
            issued = services.issue_key(
                tenant=place.tenant,
                project=form.cleaned_data["project"],
                name=form.cleaned_data["name"],
                member=place if form.is_own else None,
                expires_at=form.expires_at(now=now),
                **form.rights(),
            )
        except PlatformError as refused:
            say(refused, form, form.fields_of_refusals)
        else:
            return _shown(request, place, issued)
    return ask(request, "keys/new", form, context)


@form_page
@live_page
@place_page
def rotate(request: HttpRequest, *, place: Member, key_id: int) -> HttpResponse:
    """Ask how long the old key goes on, then replace it."""
    require(Scope.KEYS_WRITE)
    row = selectors.api_key(key_id)
    require_own(row)
    rights.refuse_to_show("key", member_id=row.member_id)
    form = RotationForm(sent(request))
    context = {"place": place, "form": form, "key": row, "back": at_key(row)}
    if form.is_valid():
        try:
            issued = services.rotate_key(
                api_key=row, overlap=form.overlap, now=timezone.now()
            )
        except PlatformError as refused:
            say(refused, form, form.fields_of_refusals)
        else:
            return _shown(request, place, issued, before=selectors.api_key(key_id))
    return ask(request, "keys/rotate", form, context)


def _shown(
    request: HttpRequest,
    place: Member,
    issued: services.IssuedKey,
    *,
    before: ApiKey | None = None,
) -> HttpResponse:
    """Show a new key, this once, with how to call by it."""
    allowed = issued.row.allowed_models
    found = chat_models(tenant=place.tenant, now=timezone.now())
    models = [name for name in found if not allowed or name in allowed]
    base = f"{settings.PUBLIC_URL.rstrip('/')}/v1"
    context = {
        "place": place,
        "key": issued.row,
        "text": issued.key,
        "base_url": base,
        "call": _call(base, [*models, *allowed, _ALL][0]),
        "done": at_key(issued.row),
        "before": before,
        "before_works": bool(before and _works(before, now=timezone.now())),
    }
    page = render(request, "pages/console/keys/issued.html", context, status=201)
    page["Location"] = at_key(issued.row)
    return page


def _works(row: ApiKey, *, now: dt.datetime) -> bool:
    return row.expires_at is None or row.expires_at > now


def _call(base: str, model: str) -> str:
    """Return a first call; the key stays out of it, in a variable."""
    return (
        f"curl {base}/chat/completions \\\n"
        '  -H "Authorization: Bearer $OPENAI_API_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"""  -d '{{"model": "{model}", "stream": true, """
        """"messages": [{"role": "user", "content": "Hello"}]}'"""
    )


def _no_project(place: Member) -> Empty:
    if current().may(Scope.PROJECTS_WRITE):
        return Empty(
            "There is no open project",
            "A key is a project's: its use is counted there.",
            "Create a project",
            address_in(place.tenant)("console:projects"),
        )
    return Empty(
        "You are in no project",
        "A key is a project's. An owner or admin puts you into one.",
    )
