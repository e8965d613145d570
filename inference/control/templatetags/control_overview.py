"""The figures on the admin's front page."""

from django import template
from django.utils import timezone

from inference.control import selectors
from inference.control.selectors import Overview

register = template.Library()


@register.simple_tag
def control_overview() -> Overview:
    """Return how the installation stands now."""
    return selectors.overview(now=timezone.now())
