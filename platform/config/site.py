"""The admin's site: signing in and out are the account pages', for everybody alike.

Failure: whoever is signed in and is no operator is refused, not asked to sign in again.
"""

from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.sites import UnfoldAdminSite

from pages.access import refusal
from pages.accounts import factors


class OperatorSite(UnfoldAdminSite):  # type: ignore[misc]
    """The admin, for staff whose session has shown a second factor."""

    index_title = "Overview"
    # It says what needs somebody, and how the installation stands.
    index_template = "pages/operations/front_page.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Tell whether this session may enter."""
        is_staff: bool = super().has_permission(request)
        return is_staff and not factors.is_owed(request)

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the one page for it, which counts attempts and sends a mail."""
        return HttpResponseRedirect(reverse("account_change_password"))

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send people to the one page for signing in, and back."""
        home = reverse("admin:index")
        asked = request.GET.get("next", "")
        is_ours = url_has_allowed_host_and_scheme(asked, {request.get_host()})
        target = asked if is_ours else home
        if self.has_permission(request):
            return HttpResponseRedirect(target)
        if request.user.is_authenticated:
            return refusal(
                request, 403, "Not yours to see", "These pages are for operators."
            )
        return redirect_to_login(target, reverse("account_login"))
