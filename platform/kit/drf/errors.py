"""Render every error of the management API as one problem document.

Failure: what is not anticipated is left to Django, which logs it and answers 500 with
nothing internal in it. A database that is away, or gives up on a lock, is a 503 that
says when to try again; it is logged, since nothing else would tell.
"""

from collections.abc import Iterator
from itertools import islice
from math import ceil
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from kit.drf.problems import CONTENT_TYPE, Fault, problem, problem_of, request_id_of
from kit.errors import PayloadTooLarge, PlatformError, ServiceUnavailable

# Where frameworks put an error that is about no single field.
_NO_FIELD = frozenset({"non_field_errors", "__all__", "detail"})
_RETRY_AFTER_S = 2
# A body can hold more wrong names than anybody wants to read.
_FAULTS_MAX = 50
_PARAM_CHARS_MAX = 200

log = structlog.get_logger(__name__)


def render(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an anticipated error into its response; None lets a bug be a 500."""
    request: Request = context["request"]
    request_id = request_id_of(request._request)
    anticipated = _as_ours(error)
    if anticipated is not None:
        body = problem_of(anticipated, request_id=request_id)
        return Response(
            body,
            status=anticipated.status,
            headers=anticipated.headers,
            content_type=CONTENT_TYPE,
        )
    refused = _as_refusal(error, context)
    if refused is None:
        return None
    faults = tuple(islice(_faults(refused.detail), _FAULTS_MAX)) or (
        Fault(str(refused.detail)),
    )
    return Response(
        problem(refused.status_code, *faults, request_id=request_id),
        status=refused.status_code,
        headers=_headers(refused),
        content_type=CONTENT_TYPE,
    )


def _as_ours(error: Exception) -> PlatformError | None:
    if isinstance(error, PlatformError):
        return error
    if isinstance(error, RequestDataTooBig):
        return PayloadTooLarge("The body is too large: send less in one request.")
    if isinstance(error, OperationalError | InterfaceError):
        log.warning("database_unavailable", exc_info=error)
        return ServiceUnavailable(
            "The database did not answer in time, and nothing was changed."
            f" Try again in {_RETRY_AFTER_S} seconds.",
            headers={"Retry-After": str(_RETRY_AFTER_S)},
        )
    return None


def _as_refusal(
    error: Exception, context: dict[str, Any]
) -> exceptions.APIException | None:
    """Return DRF's own exception for an error, its message saying what to do."""
    if isinstance(error, Http404):
        return exceptions.NotFound("There is no such object.")
    if isinstance(error, DjangoPermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, DjangoValidationError):
        detail = error.message_dict if hasattr(error, "error_dict") else error.messages
        return exceptions.ValidationError(detail)
    if not isinstance(error, exceptions.APIException):
        return None
    if message := _remedy(error, context):
        code = error.get_codes()
        error.detail = exceptions.ErrorDetail(message, code=str(code))
    return error


def _remedy(error: exceptions.APIException, context: dict[str, Any]) -> str | None:
    """Say what to do, of those errors whose own words do not."""
    if isinstance(error, exceptions.NotAuthenticated):
        return "Send a token: 'Authorization: Bearer ...'."
    if isinstance(error, exceptions.MethodNotAllowed):
        allowed = ", ".join(context["view"].allowed_methods)
        return f"{error.detail} This address takes {allowed}."
    if isinstance(error, exceptions.UnsupportedMediaType):
        return f"{error.detail} Send JSON as 'Content-Type: application/json'."
    if isinstance(error, exceptions.NotAcceptable):
        return "Answers are JSON: send 'Accept: application/json', or no Accept."
    return None


def _headers(refused: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(refused, "auth_header", None):
        headers["WWW-Authenticate"] = str(challenge)
    if wait := getattr(refused, "wait", None):
        headers["Retry-After"] = str(ceil(wait))
    return headers


def _faults(detail: Any, path: str | None = None) -> Iterator[Fault]:
    """Yield every message in DRF's nested details, and the field it is about."""
    if isinstance(detail, dict):
        for key, value in detail.items():
            if key in _NO_FIELD:
                yield from _faults(value, path)
            else:
                yield from _faults(value, f"{path}.{key}" if path else str(key))
    elif isinstance(detail, list):
        for index, item in enumerate(detail):
            # Of a list of objects each is named by its place; messages are the field's.
            nested = isinstance(item, dict) and path is not None
            yield from _faults(item, f"{path}.{index}" if nested else path)
    else:
        code = str(getattr(detail, "code", "invalid"))
        yield Fault(str(detail), path and path[:_PARAM_CHARS_MAX], code)
