"""The console's first page: where a person is a member, and as what.

Failure: nobody signed in is sent to sign in and back.
"""

from typing import cast

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from pages.access import signed_in_page
from tenants.models import Member


@require_safe
@signed_in_page
def home(request: HttpRequest) -> HttpResponse:
    """Show the person's tenants and roles."""
    places = Member.objects.filter(user=cast("User", request.user), removed_at=None)
    context = {"places": places.select_related("tenant").order_by("tenant__name")}
    return render(request, "pages/console/home.html", context)
