"""Pages of signing in that allauth has not, or has too wide: sessions, the address.

Failure: a session of somebody else is not there. An operator's address is changed by
another operator: it is where the way to a new password goes.
"""

from typing import Any

from allauth.account.views import EmailView
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from pages.access import refusal


@require_POST
@login_required
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one of the person's own sessions."""
    session = get_object_or_404(UserSession, pk=session_id, user=request.user)
    session.end()
    messages.success(request, "The session has ended.")
    return redirect("usersessions_list")


class AddressView(EmailView):  # type: ignore[misc]
    """The address of an account: asked for here, changed by the link in the mail."""

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """Refuse operators."""
        if request.user.is_staff:
            return refusal(
                request,
                403,
                "Not yours to change",
                "An operator's address is changed in the admin, by another operator.",
            )
        answer: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return answer

    def _action_primary(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        """Do nothing: with the library's, an account takes what it never confirmed."""
