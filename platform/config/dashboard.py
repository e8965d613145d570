"""What the admin's front page says of more than one app."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from metering.reconciliation import selectors


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add how the books stand, for those who may see why."""
    if request.user.has_perm("reconciliation.view_run"):
        context["books"] = selectors.standing(now=timezone.now())
    return context
