"""What the shell around every page shows of its reader: where to go, light or dark."""

from collections.abc import Callable, Sequence
from typing import Any

from django import template
from django.http import HttpRequest
from django.urls import reverse

from pages.appearance import appearance_of
from pages.console.frame import address_in, bar, may_open
from pages.console.place import place_of
from pages.console.sections import GROUPS as CONSOLE
from pages.design.sections import Group, links
from pages.finance.sections import GROUPS as FINANCE

register = template.Library()


@register.inclusion_tag("pages/parts/sections.html", takes_context=True)
def finance_sections(context: dict[str, Any]) -> dict[str, Any]:
    """Show the finance pages that the reader may open."""
    request: HttpRequest = context["request"]
    return _shown("Finance", FINANCE, request, request.user.has_perms, reverse)


@register.inclusion_tag("pages/parts/sections.html", takes_context=True)
def console_sections(context: dict[str, Any]) -> dict[str, Any]:
    """Show the pages of the tenant that is open, as far as the member's role goes."""
    request: HttpRequest = context["request"]
    place = place_of(request)
    if place is None:
        return {"groups": ()}
    return _shown("Console", CONSOLE, request, may_open, address_in(place.tenant))


@register.inclusion_tag("pages/console/_bar.html", takes_context=True)
def console_bar(context: dict[str, Any]) -> dict[str, Any]:
    """Show whose console is open, as what, and what is left or spent."""
    return {"bar": bar(context["request"])}


@register.inclusion_tag("pages/console/_notice.html", takes_context=True)
def console_notice(context: dict[str, Any]) -> dict[str, Any]:
    """Say above every page what keeps the tenant from serving."""
    return {
        "place": place_of(context["request"]),
        "csrf_token": context.get("csrf_token"),
    }


@register.simple_tag(takes_context=True)
def appearance(context: dict[str, Any]) -> str:
    """Return `light` or `dark` where the reader chose, else nothing."""
    request = context.get("request")
    return appearance_of(request) if isinstance(request, HttpRequest) else ""


def _shown(
    label: str,
    groups: Sequence[Group],
    request: HttpRequest,
    may: Callable[[tuple[str, ...]], bool],
    address: Callable[[str], str],
) -> dict[str, Any]:
    match = request.resolver_match
    name = match.view_name if match else ""
    found = links(groups, open_name=name, may=may, address=address)
    current = next(
        (link.label for _, some in found for link in some if link.is_current), ""
    )
    return {"label": label, "groups": found, "current": current}
