"""Render every error of the management API as the same body as the gateway's.

Failure: what is not anticipated is left to Django, which logs it and answers 500 with
nothing internal in it.
"""

from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response

from kit.errors import PlatformError

# Where frameworks put an error that is about no single field.
_NO_FIELD = frozenset({"non_field_errors", "__all__", "detail"})


def render(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an anticipated error into its response; None lets a bug be a 500."""
    if isinstance(error, PlatformError):
        return Response(error.body(), status=error.status, headers=error.headers)
    refused = _as_refusal(error)
    if refused is None:
        return None
    param, message, code = _first(refused.detail)
    body = error_body(
        message, type_=_type_of(refused.status_code), param=param, code=code
    )
    return Response(body, status=refused.status_code, headers=_headers(refused))


def error_body(
    message: str, *, type_: str, param: str | None = None, code: str | None = None
) -> dict[str, dict[str, str | None]]:
    """Return the one shape that errors have."""
    return {"error": {"message": message, "type": type_, "param": param, "code": code}}


def _as_refusal(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.NotAuthenticated):
        refused = exceptions.NotAuthenticated(
            "Send the operator token: 'Authorization: Bearer ...'."
        )
        refused.auth_header = getattr(error, "auth_header", None)  # type: ignore[attr-defined]
        return refused
    if isinstance(error, Http404):
        return exceptions.NotFound("There is no such object.")
    if isinstance(error, DjangoPermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, DjangoValidationError):
        detail = error.message_dict if hasattr(error, "error_dict") else error.messages
        return exceptions.ValidationError(detail)
    return error if isinstance(error, exceptions.APIException) else None


def _type_of(status_code: int) -> str:
    if status_code == status.HTTP_403_FORBIDDEN:
        return "permission_error"
    if status_code >= status.HTTP_500_INTERNAL_SERVER_ERROR:
        return "server_error"
    return "invalid_request_error"


def _headers(refused: exceptions.APIException) -> dict[str, str]:
    headers = {}
    if challenge := getattr(refused, "auth_header", None):
        headers["WWW-Authenticate"] = str(challenge)
    if wait := getattr(refused, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return headers


def _first(detail: Any, path: str | None = None) -> tuple[str | None, str, str]:
    """Find the first message in DRF's nested details, and the field it is about."""
    if isinstance(detail, dict):
        key, value = next(iter(detail.items()))
        if key in _NO_FIELD:
            return _first(value, path)
        return _first(value, f"{path}.{key}" if path else str(key))
    if isinstance(detail, list):
        return _first(next((item for item in detail if item), ""), path)
    return path, str(detail), str(getattr(detail, "code", "invalid"))
