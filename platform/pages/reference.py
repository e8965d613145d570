"""The rendered reference of the management API, loading nothing but our own files.

Anybody may read it: it holds no data, and what is tried out on it needs the operator's
token. Failure: without a script the page names the document itself.
"""

from typing import Any

from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # The reference draws its small icons from its style sheet.
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


class ReferenceView(SpectacularSwaggerSplitView):
    """The document, made readable; its script is a file of its own."""

    authentication_classes = ()
    template_name = "pages/reference.html"

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Say what the page may load."""
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        answer["Content-Security-Policy"] = POLICY
        return answer
