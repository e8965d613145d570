"""The admin's front page: what needs somebody, how serving is, who uses it."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from inference.control.live import now_serving
from metering.reconciliation.selectors import standing
from pages.operations.busiest import busiest
from pages.operations.live import SEE_SERVING, SEE_TENANTS, live_address, tiles
from pages.operations.needs import needs
from pages.operations.serving_tables import TENANTS

_SEE_BOOKS = "reconciliation.view_run"


def front_page(request: HttpRequest) -> dict[str, Any]:
    """Return what the front page shows, as far as its reader may see it."""
    now, user = timezone.now(), request.user
    serving = now_serving(now=now)
    books = standing(now=now) if user.has_perm(_SEE_BOOKS) else None
    found = needs(user, serving=serving, books=books, now=now)
    shown: dict[str, Any] = {"needs": found, "books": books, "at": now}
    if user.has_perm(SEE_SERVING):
        shown["tiles"] = tiles(serving, at=live_address())
    if user.has_perm(SEE_TENANTS):
        shown["tenants"] = TENANTS.laid_out(busiest(serving, now=now), {})
    return shown
