"""On whose behalf the pages run: whoever is signed in, under the request's own id.

An operator's account acts as one in the admin and the finance pages; another person
acts for no tenant until a page takes up one of the places that the person has. The
management API names its caller by itself. Stands behind the authentication.
"""

import time
from collections.abc import Callable
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from config.middleware import OPERATOR_PREFIXES
from kit.acting import acting_as
from kit.ids import uuid7
from tenants.audit.accounts import actor_of


class ActingAccount:
    """Run the pages that people sign in to on behalf of the one who did."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request on the behalf of its account."""
        # Elsewhere a session would be read in a role that knows none.
        if not request.path.startswith(OPERATOR_PREFIXES):
            return self._get_response(request)
        sent = request.headers.get("x-request-id", "")
        with acting_as(actor_of(request.user, request_id=_request_id(sent))):
            return self._get_response(request)


def _request_id(sent: str) -> str:
    """Return the id that the gateway in front gave the request, or a new one."""
    try:
        return str(UUID(sent))
    except ValueError:
        return str(uuid7(time.time_ns() // 1_000_000))
