"""The playground: a member tries models through the real gateway, at the real price.

The page's script calls the gateway as any program does, with a key of the member's own
that lives for an hour and is named so in the request log. Its text is in the answer to
the POST that asked for it and in that page's memory; what is asked and answered is
nowhere but there. A member has a few at a time, one for each page that is open: asking
for one more ends the oldest.

Failure: what a service refuses is answered as the management API answers it, and
nothing is issued.
"""

import datetime as dt
import json
from dataclasses import dataclass
from http import HTTPStatus

from django.db.models import F
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from inference.control.selectors import callable_models
from inference.openai.prompt_bound import DEFAULT
from inference.openai.tasks import Task
from kit.acting import current
from kit.contracts import LinearPrice
from kit.errors import InvalidRequest, PlatformError
from kit.money import exponent, quote_per_million
from kit.orm.atomic import atomic
from kit.scopes import Scope
from metering.pricing.own import own_prices
from pages.access import live_page
from pages.console.place import place_page, require
from pages.design.heading import Heading
from pages.design.states import Empty
from tenants import selectors, services
from tenants.models import ApiKey, Member, Project

NAME = "Playground"
LIVES = dt.timedelta(hours=1)
# A page that opens shall not end what another one is being answered.
AT_ONCE = 4
# A key's beginning is the database's instant, and its end is ours.
_SLACK = dt.timedelta(minutes=5)
_PROJECTS_MAX = 200
_ID_DIGITS_MAX = 18
SAMPLES = (
    "Explain in three sentences what a tokenizer does.",
    "Write a haiku about a queue that never grows.",
    "List five questions to ask before choosing a model.",
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A model that can be tried: what it holds, and what its tokens cost."""

    name: str
    context_tokens: int
    output_tokens_max: int
    price: LinearPrice

    @property
    def label(self) -> str:
        """Return its name with its prices per million tokens."""
        price = self.price
        return (
            f"{self.name}: {quote_per_million(price.input_picos)} in,"
            f" {quote_per_million(price.output_picos)} out"
        )


@live_page
@require_safe
@place_page
def page(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Show the playground; the rest is its script's."""
    _require()
    now = timezone.now()
    models = choices(tenant_id=place.tenant_id, now=now)
    projects = open_projects(place)
    context = {
        "place": place,
        "heading": Heading(
            "Playground",
            scope=(
                f"of {place.tenant.name}",
                f"prices per million tokens in {place.tenant.currency}",
                "excluding tax",
            ),
            lead="Through the real gateway, on your own budget. Nothing of what is"
            " asked or answered is stored.",
        ),
        "models": models,
        "projects": projects,
        "samples": SAMPLES,
        "bound": json.dumps(DEFAULT.published()),
        "currency": place.tenant.currency,
        "places": exponent(place.tenant.currency),
        "empty": _missing(models, projects),
        "lives_minutes": int(LIVES.total_seconds() // 60),
    }
    return render(request, "pages/console/playground/page.html", context)


@require_POST
@place_page
def key(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Issue the member's playground key for a project, in place of the one before."""
    _require()
    now = timezone.now()
    try:
        project = _project(place, request.POST.get("project", ""))
        issued = mint(place=place, project=project, now=now)
    except PlatformError as refused:
        return JsonResponse(refused.body(), status=refused.status)
    answer = {
        "key": issued.key,
        "shown": issued.row.shown,
        "expires_at": issued.row.expires_at,
    }
    return JsonResponse(answer, status=HTTPStatus.CREATED)


def mint(*, place: Member, project: Project, now: dt.datetime) -> services.IssuedKey:
    """Issue a playground key; of the member's older ones the last few stay.

    Raises what `services.issue_key` does.
    """
    with atomic():
        issued = services.issue_key(
            tenant=place.tenant,
            project=project,
            name=NAME,
            member=place,
            scopes=[Scope.GENERATE],
            expires_at=now + LIVES,
        )
        lasting = sorted(minted(place=place, now=now), key=lambda row: row.pk)
        for older in lasting[:-AT_ONCE]:
            services.revoke_key(api_key=older, now=now)
    return issued


def minted(*, place: Member, now: dt.datetime) -> list[ApiKey]:
    """Return a member's playground keys that have not ended.

    One of their own that they only named so lives for longer, and is none of these.
    """
    rows = selectors.api_keys(now=now, member_id=place.pk).filter(
        name=NAME,
        revoked_at=None,
        expires_at__gt=now,
        expires_at__lte=F("created_at") + LIVES + _SLACK,
    )
    return list(rows)


def choices(*, tenant_id: int, now: dt.datetime) -> list[Choice]:
    """Return the models that chat and have a price in force, by name."""
    prices = own_prices(tenant_id=tenant_id, at=now)
    rows = callable_models(now=now).filter(tasks__contains=[Task.CHAT])
    return [
        Choice(
            row.name,
            row.context_tokens,
            row.max_output_tokens or row.context_tokens,
            prices[row.name].price,
        )
        for row in rows
        if row.name in prices
    ]


def open_projects(place: Member) -> list[Project]:
    """Return the projects that the member may put use on."""
    rows = selectors.projects(
        tenant_id=place.tenant_id, archived=False, project_ids=current().project_ids
    )
    return list(rows.order_by("slug")[:_PROJECTS_MAX])


def _require() -> None:
    require(Scope.GENERATE)
    require(Scope.KEYS_WRITE)


def _project(place: Member, asked: str) -> Project:
    """Return the project that was chosen; raises `InvalidRequest` or `NotFound`."""
    if not (asked.isascii() and asked.isdigit() and len(asked) <= _ID_DIGITS_MAX):
        raise InvalidRequest("Choose a project.", param="project")
    return selectors.project(int(asked), project_ids=current().project_ids)


def _missing(models: list[Choice], projects: list[Project]) -> Empty | None:
    """Say why nothing can be tried, where that is so."""
    if not models:
        return Empty(
            "No model can be tried yet",
            "A model shows here once it answers chats and has a price in force for you."
            " Ask whoever runs this installation.",
        )
    if not projects:
        return Empty(
            "You are in no project",
            "What you try is paid by a project: ask an owner or admin for a place in"
            " one.",
        )
    return None
