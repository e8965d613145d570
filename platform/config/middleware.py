"""Which database role answers a request, and what its page may load.

Accounts and sessions are the operator role's alone. So every page that somebody signs
in to runs as it from the session on; the console's become the tenant's role for what
they show of one. Everything else starts as the app role, which sees no tenant until one
is set, and knows no session.

Pages that say nothing of their own get the policy of ours: no script, nothing foreign.
Only the admin is drawn by scripts within its pages; they too load and send nothing
elsewhere.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from kit.orm.roles import as_operator
from pages.access import POLICY

ADMIN = "/admin/"
ADMIN_POLICY = "; ".join(
    (
        "default-src 'none'",
        # The theme's own, which also works out the expressions in its attributes.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
OPERATOR_PREFIXES = (ADMIN, "/finance/", "/accounts/", "/console/")


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


class PagePolicy:
    """Say of every page what it may load."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, errors and refusals too, with a policy."""
        response = self._get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            policy = ADMIN_POLICY if request.path.startswith(ADMIN) else POLICY
            response.headers.setdefault("Content-Security-Policy", policy)
        return response
