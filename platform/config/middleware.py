"""Which database role answers a request.

Accounts and sessions are the operator role's alone. So every page that somebody signs
in to runs as it from the session on; the console's become the tenant's role for what
they show of one. Everything else starts as the app role, which sees no tenant until one
is set, and knows no session.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from kit.orm.roles import as_operator

OPERATOR_PREFIXES = ("/admin/", "/finance/", "/accounts/", "/console/")


class OperatorPages:
    """Run the pages that people sign in to as the operator role."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request under its role."""
        if not request.path.startswith(OPERATOR_PREFIXES):
            return self._get_response(request)
        with as_operator():
            response = self._get_response(request)
            # A lazy body would be rendered, and would query, after the role is gone.
            if hasattr(response, "render"):
                response.render()
            return response
