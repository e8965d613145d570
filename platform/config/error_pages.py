"""What Django answers where no view of ours did: JSON under the API, pages elsewhere.

Failure: nothing internal is shown; what broke is in the log. Where that was what a page
of ours needs, such as the database, Django's own page says so without it.
"""

from http import HTTPStatus

import structlog
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from kit.drf.problems import CONTENT_TYPE, REQUEST_ID, Fault, problem, request_id_of
from pages.access import refusal

log = structlog.get_logger(__name__)

API_PREFIX = "/api/"


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django would not take."""
    if not request.path.startswith(API_PREFIX):
        return _page(
            request,
            HTTPStatus.BAD_REQUEST,
            "This request cannot be read",
            "Its host, a header or its length is wrong. Nothing was changed.",
        )
    return _refusal(
        request,
        HTTPStatus.BAD_REQUEST,
        Fault(
            "The request cannot be read: check its host, headers and length.",
            code="bad_request",
        ),
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django refused."""
    if not request.path.startswith(API_PREFIX):
        return _page(
            request,
            HTTPStatus.FORBIDDEN,
            "Not yours to do",
            "Your account may not do this. Ask an operator for the permission.",
        )
    fault = Fault("Your token does not hold this right.", code="permission_denied")
    return _refusal(request, HTTPStatus.FORBIDDEN, fault)


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that another page sent, or one from before a sign-in."""
    message = (
        "The form was opened before you signed in or out, or comes from elsewhere. "
        "Nothing was changed: open its page again."
    )
    return _page(request, HTTPStatus.FORBIDDEN, "This form is no longer good", message)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer an address that leads nowhere."""
    if not request.path.startswith(API_PREFIX):
        return _page(
            request,
            HTTPStatus.NOT_FOUND,
            "Nothing here",
            "There is no page at this address.",
        )
    fault = Fault(
        "There is nothing at this address; /api/v1/docs/ lists what there is. Addresses"
        " end in a slash.",
        code="not_found",
    )
    return _refusal(request, HTTPStatus.NOT_FOUND, fault)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a request that met a bug."""
    if not request.path.startswith(API_PREFIX):
        return _sorry(request)
    fault = Fault(
        "Something went wrong on our side, and nothing was changed. Try again; if it"
        f" stays so, name the request {request_id_of(request)} to whoever runs this.",
        code="internal_error",
    )
    return _refusal(request, HTTPStatus.INTERNAL_SERVER_ERROR, fault)


def _page(
    request: HttpRequest, status: HTTPStatus, title: str, message: str
) -> HttpResponse:
    """Render a page without asking who reads it: no role may read sessions here."""
    request.user = AnonymousUser()
    return refusal(request, status, title, message)


def _sorry(request: HttpRequest) -> HttpResponse:
    """Say that something broke, also where what broke is what our pages need."""
    name = request_id_of(request)
    log.error("page_failed", request_id=name, path=request.path)
    message = (
        f"Try again; if it stays so, name the request {name} to whoever runs this."
    )
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    try:
        return _page(request, status, "Something went wrong on our side", message)
    except Exception:
        log.exception("error_page_failed")
        return defaults.server_error(request)


def _refusal(request: HttpRequest, status: HTTPStatus, fault: Fault) -> HttpResponse:
    request_id = request_id_of(request)
    return JsonResponse(
        problem(status, fault, request_id=request_id),
        status=status,
        content_type=CONTENT_TYPE,
        headers={REQUEST_ID: request_id},
    )
