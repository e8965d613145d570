"""The admin's frame around our own pages: its navigation, our parts within.

Failure: none of its own. Owns: nothing.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pages.design.heading import Crumb, Heading

# Whoever reads a page; what it may do is asked of it.
Reader = AbstractUser | AnonymousUser


def framed(
    request: HttpRequest, template: str, heading: Heading, context: dict[str, Any]
) -> HttpResponse:
    """Render a page within the admin's frame."""
    return render(
        request,
        template,
        {
            **admin.site.each_context(request),
            "title": heading.title,
            "heading": heading,
            **context,
        },
    )


def home() -> Crumb:
    """Return the way to the front page."""
    return Crumb("Overview", "/admin/")
