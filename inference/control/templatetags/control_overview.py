"""The figures on the admin's front page, for those who may see what is behind them."""

from dataclasses import replace
from typing import Any

from django import template
from django.utils import timezone

from inference.control import selectors
from inference.control.selectors import Overview
from kit.links import rights_for

register = template.Library()


@register.simple_tag(takes_context=True)
def control_overview(context: dict[str, Any]) -> Overview:
    """Return how the installation stands now: no figure leads where one may not go."""
    user, overview = context["request"].user, selectors.overview(now=timezone.now())
    seen = [
        each for each in overview.figures if user.has_perms(rights_for(each.address))
    ]
    return replace(overview, figures=tuple(seen))
