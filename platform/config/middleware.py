"""Which database role answers a request.

Only operators can sign in to the admin and the finance pages, so these run as the
operator role from the session on. Everything else starts as the app role, which sees no
tenant until one is set.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from kit.orm.roles import as_operator

OPERATOR_PREFIXES = ("/admin/", "/finance/")


class OperatorPages:
    """Run the operators' pages as the operator role."""

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
