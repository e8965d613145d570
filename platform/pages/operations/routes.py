"""Which replicas serve each model, and how much of its requests each is given.

A share is what the weights and slots of the active replicas come to; what really runs
stands beside it. Failure: none of its own.
"""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from inference.control.live import ReplicaNow, now_serving
from inference.control.models import ServedModel
from inference.control.shares import Share, share_of
from pages.access import admin_page
from pages.design.address import query_of
from pages.design.badges import Badge, Tone
from pages.design.cells import Cell, Kind, nothing, number, percent, state, words
from pages.design.files import file_of, wants_file
from pages.design.heading import Heading
from pages.design.states import Empty
from pages.design.table import Column, Table
from pages.operations.serving_tables import condition_badge
from pages.operations.shell import framed, home

SEE_MODELS = "control.view_servedmodel"
_NOBODY: tuple[tuple[None, Share], ...] = ((None, Share(0, 0)),)


@dataclass(frozen=True, slots=True)
class Route:
    """A replica's part in a model, or a model that has none."""

    model_id: int
    model: str
    is_offered: bool
    policy: str
    canary_permille: int
    share: Share
    replica: ReplicaNow | None


def _model(row: Route) -> Cell:
    address = reverse("admin:control_servedmodel_change", args=(row.model_id,))
    return words(row.model, address=address, note=row.policy.replace("_", " "))


def _replica(row: Route) -> Cell:
    if row.replica is None:
        return nothing("no replica")
    address = reverse("admin:control_replica_change", args=(row.replica.id,))
    return words(
        row.replica.name,
        address=address,
        note="canary" if row.replica.canary else "",
    )


def _state(row: Route) -> Cell:
    if not row.is_offered:
        return state(Badge("not offered", Tone.OVER))
    if row.replica is None:
        return state(Badge("nobody serves it", Tone.BAD))
    return state(condition_badge(row.replica))


def _share(row: Route) -> Cell:
    if row.replica is None or not row.share.part:
        return nothing("none")
    note = ""
    if row.replica.canary:
        note = f"of the canaries' {row.canary_permille / 10:g} %"
    return percent(row.share.part, row.share.whole, note=note)


ROUTES: Table[Route] = Table(
    name="routes",
    title="Routes",
    usual_sort="model",
    empty=Empty(
        "No model is there yet",
        "Add one under the name that callers use; then a replica.",
        "Add a model",
        "/admin/control/servedmodel/add/",
    ),
    columns=(
        Column(
            "model",
            "Model",
            _model,
            sort=lambda row: (row.model, row.replica.name if row.replica else ""),
        ),
        Column("replica", "Replica", _replica),
        Column("state", "State", _state),
        Column(
            "weight",
            "Weight",
            lambda row: number(row.replica.weight) if row.replica else nothing(""),
            Kind.NUMBER,
            note="How much it is given per slot; 100 is usual.",
        ),
        Column(
            "slots",
            "Slots",
            lambda row: number(row.replica.slots) if row.replica else nothing(""),
            Kind.NUMBER,
        ),
        Column(
            "share",
            "Share",
            _share,
            Kind.NUMBER,
            note="Of the model's requests, as weights and slots say.",
        ),
        Column(
            "running",
            "Running",
            lambda row: number(row.replica.running) if row.replica else nothing(""),
            Kind.NUMBER,
        ),
    ),
)


@admin_page(SEE_MODELS)
def routes(request: HttpRequest) -> HttpResponse:
    """Show every model with its replicas, or all of them as a file."""
    query = query_of(request.GET)
    rows = _routes()
    if wants_file(ROUTES, query):
        return file_of(ROUTES, rows, query, name="routes")
    heading = Heading(
        "Routes",
        crumbs=(home(),),
        scope=("all served models", "as of now"),
        lead="Which replicas serve each model, and how much each is given.",
    )
    context = {"table": ROUTES.laid_out(rows, query)}
    return framed(request, "pages/operations/routes.html", heading, context)


def _routes() -> list[Route]:
    serving = now_serving(now=timezone.now())
    by_model: dict[str, list[ReplicaNow]] = {}
    for each in serving.replicas:
        by_model.setdefault(each.model, []).append(each)
    found: list[Route] = []
    for model in ServedModel.objects.select_related("base"):
        replicas = by_model.get((model.base or model).name, [])
        routed = [
            (each, share_of(each, [other for other in replicas if other is not each]))
            for each in replicas
        ]
        found += [
            Route(
                model.pk,
                model.name,
                model.enabled,
                model.policy,
                model.canary_permille,
                share,
                replica,
            )
            for replica, share in routed or _NOBODY
        ]
    return found
