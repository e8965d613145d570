"""What Django answers where no view of ours did: JSON under the API, pages elsewhere.

Failure: nothing internal is shown; what broke is in the log.
"""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from kit.drf.errors import error_body

API_PREFIX = "/api/"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that leads nowhere."""
    if not request.path.startswith(API_PREFIX):
        return defaults.page_not_found(request, exception)
    body = error_body(
        "There is nothing at this address; /api/v1/docs/ lists what there is.",
        type_="invalid_request_error",
        code="not_found",
    )
    return JsonResponse(body, status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a request that met a bug."""
    if not request.path.startswith(API_PREFIX):
        return defaults.server_error(request)
    body = error_body(
        "Something went wrong on our side.", type_="server_error", code="internal_error"
    )
    return JsonResponse(body, status=500)
