"""What runs just now: all gateways, each model, each replica, of the last minute.

The page looks again every two seconds by itself; held still, or without scripts, it is
as of when it was opened. Failure: without a gateway that says anything it says so.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from inference.control.live import Now, now_serving
from pages.access import admin_page
from pages.design.address import Query, address, query_of
from pages.design.badges import Badge, Tone
from pages.design.heading import Heading
from pages.design.tiles import Tile, number_tile
from pages.operations.busiest import busiest
from pages.operations.measures import duration_tile
from pages.operations.serving_tables import (
    GATEWAYS,
    MODELS,
    REFUSALS,
    REPLICAS,
    TENANTS,
)
from pages.operations.shell import framed, home

SEE_SERVING = "control.view_replica"
SEE_TENANTS = "tenants.view_tenant"
_LAST_MINUTE = "last minute"


def tiles(serving: Now, *, at: str = "") -> list[Tile]:
    """Return the figures at a glance; `at` is the page that their rows are on."""
    traffic = serving.traffic
    return [
        Tile(
            "Healthy replicas",
            f"{serving.healthy}",
            unit=f"of {serving.expected}",
            address=f"{at}#replicas",
            badge=None if serving.healthy == serving.expected else _failing(serving),
        ),
        number_tile("Running", serving.running, note="requests, now"),
        number_tile(
            "Waiting",
            serving.waiting,
            note="for a replica, now",
            address=f"{at}#models",
        ),
        Tile("Requests", traffic.requests_per_s, unit="per s", note=_LAST_MINUTE),
        Tile("Output", traffic.output_tokens_per_s, unit="tokens/s", note=_LAST_MINUTE),
        duration_tile(
            "First token, p95",
            traffic.first_token_p95_us,
            note=f"of streams, {_LAST_MINUTE}",
            address=f"{at}#models",
        ),
        number_tile(
            "Refused",
            serving.refusals,
            note=f"requests, {_LAST_MINUTE}",
            address=f"{at}#refusals",
        ),
        Tile(
            "Engine failures",
            traffic.failed_percent,
            unit="%",
            note=f"of requests, {_LAST_MINUTE}",
        ),
    ]


@admin_page(SEE_SERVING)
def live(request: HttpRequest) -> HttpResponse:
    """Show the page or, asked for a part, what of it changes."""
    query, now = query_of(request.GET), timezone.now()
    is_still = query.get("still") == "yes"
    asked = {name: value for name, value in query.items() if name != "part"}
    serving = now_serving(now=now)
    context = {
        **_parts(serving, asked),
        "at": now,
        "is_still": is_still,
        "again": address(asked, part="yes"),
        "still": address(asked, still="" if is_still else "yes"),
    }
    if request.user.has_perm(SEE_TENANTS):
        rows = busiest(serving, now=now)
        context["tenants"] = TENANTS.laid_out(rows, asked)
    if query.get("part") == "yes":
        return render(request, "pages/operations/_live.html", context)
    heading = Heading(
        "Live",
        crumbs=(home(),),
        scope=("all gateways", f"counts of the {_LAST_MINUTE}"),
    )
    return framed(request, "pages/operations/live.html", heading, context)


def _parts(serving: Now, query: Query) -> dict[str, Any]:
    return {
        "tiles": tiles(serving),
        "models": MODELS.laid_out(serving.models, query),
        "replicas": REPLICAS.laid_out(serving.replicas, query),
        "gateways": GATEWAYS.laid_out(serving.gateways, query),
        "refusals": REFUSALS.laid_out(serving.refused, query),
        "says_nothing": not serving.live_gateways,
    }


def _failing(serving: Now) -> Badge:
    missing = serving.expected - serving.healthy
    return Badge(f"{missing} not", Tone.BAD)


def live_address() -> str:
    """Return where the page is."""
    return reverse("operations:live")
