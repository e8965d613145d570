"""What the admin's front page says: it is of more than one app, so `pages` knows."""

from typing import Any

from django.http import HttpRequest

from pages.operations import overview


def front_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what needs somebody, how serving is and who uses it."""
    return {**context, **overview.front_page(request)}
