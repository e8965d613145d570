"""What the shell around every page shows of its reader: where to go, light or dark."""

from typing import Any

from django import template
from django.http import HttpRequest

from pages.appearance import appearance_of
from pages.design.sections import links
from pages.finance.sections import GROUPS

register = template.Library()


@register.inclusion_tag("pages/parts/sections.html", takes_context=True)
def finance_sections(context: dict[str, Any]) -> dict[str, Any]:
    """Show the finance pages that the reader may open."""
    request: HttpRequest = context["request"]
    match = request.resolver_match
    groups = links(
        GROUPS,
        open_name=match.view_name if match else "",
        may=request.user.has_perms,
    )
    current = next(
        (link.label for _, some in groups for link in some if link.is_current), ""
    )
    return {"label": "Finance", "groups": groups, "current": current}


@register.simple_tag(takes_context=True)
def appearance(context: dict[str, Any]) -> str:
    """Return `light` or `dark` where the reader chose, else nothing."""
    request = context.get("request")
    return appearance_of(request) if isinstance(request, HttpRequest) else ""
