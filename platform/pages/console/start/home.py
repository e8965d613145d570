"""A tenant's home: whether all is well, and what it costs so far.

Failure: none of its own.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from kit.scopes import Scope
from metering.usage.selectors import database_now
from pages.console.frame import figure
from pages.console.place import place_page, require
from pages.design.heading import Heading
from tenants.models import Member


@require_safe
@place_page
def home(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Show what stands out of a tenant."""
    require(Scope.TENANT_READ)
    found = figure(place, now=database_now())
    context = {
        "heading": Heading(place.tenant.name, scope=("Home",)),
        "tiles": [found] if found else [],
    }
    return render(request, "pages/console/tenant.html", context)
