"""From nothing to a first streamed answer: a key, one call to copy, its arrival.

Failure: a client or model that is not known is the first of them. What is served and
may not be called yet, having no price, is not offered.
"""

from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from kit import api_keys
from kit.acting import current
from kit.scopes import Scope
from metering.usage.selectors import database_now
from pages.access import live_page
from pages.console.catalog.offers import chat_models
from pages.console.frame import way_to
from pages.console.place import place_page, require
from pages.console.start.arrival import (
    Arrival,
    arrival,
    instant_asked,
    last_before,
)
from pages.console.start.snippets import (
    ASSISTANTS,
    CLIENTS,
    VARIABLE,
    Client,
    Here,
    client_of,
)
from pages.design.address import address, query_of
from pages.design.heading import Heading
from tenants import selectors
from tenants.models import Member

KEYS_SHOWN = 3
MODELS_SHOWN_MAX = 50


@require_safe
@live_page
@place_page
def start(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Show what to copy, and wait for what comes of it."""
    require(Scope.GENERATE)
    query = query_of(request.GET)
    now = database_now()
    models = chat_models(tenant=place.tenant, now=now)[:MODELS_SHOWN_MAX]
    model = query.get("model", "")
    if model not in models:
        model = models[0] if models else "MODEL"
    client = client_of(query.get("with", "")) or CLIENTS[0]
    here = Here(settings.PUBLIC_URL.rstrip("/"), model)
    keys = selectors.api_keys(now=now, tenant_id=place.tenant_id, active=True)
    context = {
        "place": place,
        "heading": Heading(
            "First call",
            scope=(here.base_url, f"keys begin with {api_keys.PREFIX}"),
        ),
        "here": here,
        "variable": VARIABLE,
        "may_issue": current().may(Scope.KEYS_WRITE),
        "keys": keys.order_by("-id")[:KEYS_SHOWN],
        "key_new": way_to(place.tenant, "console:key_new"),
        "clients": [_tab(each, client, query) for each in CLIENTS],
        "assistants": [_tab(each, client, query) for each in ASSISTANTS],
        "client": client,
        "snippets": client.write(here),
        "models": models,
        "model": model,
        "query": {name: text for name, text in query.items() if name != "model"},
        "arrival": _arrival(request, place),
        "last": last_before(place, now=now),
    }
    return render(request, "pages/console/start/start.html", context)


@require_safe
@place_page
def arrived(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Show the part alone that waits for a request."""
    require(Scope.GENERATE)
    context = {"place": place, "arrival": _arrival(request, place)}
    return render(request, "pages/console/start/_arrival.html", context)


def _arrival(request: HttpRequest, place: Member) -> Arrival:
    now = database_now()
    since = instant_asked(request.GET.get("since", ""), now=now)
    root = reverse("console:arrived", args=(place.tenant.slug,))
    again = f"{root}?{urlencode({'since': since.isoformat()})}"
    return arrival(place, since=since, address=again, now=now)


def _tab(each: Client, chosen: Client, query: dict[str, str]) -> dict[str, object]:
    return {
        "label": each.label,
        "address": f"{address(query, **{'with': each.name})}#call",
        "is_current": each == chosen,
    }
