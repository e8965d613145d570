"""The console's first page: where a person is a member, and as what.

Who is a member of one tenant alone goes on to its home.

Failure: nobody signed in is sent to sign in and back.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from pages.access import signed_in_page
from tenants import selectors


@require_safe
@signed_in_page
def home(request: HttpRequest) -> HttpResponse:
    """Show the person's tenants and roles, or the home of the only one."""
    places = selectors.places(user_id=request.user.pk or 0)
    if len(places) == 1:
        return redirect("console:tenant", tenant=places[0].tenant.slug)
    return render(request, "pages/console/home.html", {"places": places})
