"""Render every error of the management API as the same body as the gateway's."""

from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import ValidationError as DjangoValidationError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from kit.errors import PlatformError


def render(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an anticipated error into its response; None lets a bug be a 500."""
    if isinstance(error, PlatformError):
        return Response(error.body(), status=error.status, headers=error.headers)
    if isinstance(error, Http404):
        error = exceptions.NotFound("There is no such object.")
    elif isinstance(error, DjangoPermissionDenied):
        error = exceptions.PermissionDenied()
    elif isinstance(error, DjangoValidationError):
        error = exceptions.ValidationError(_django_detail(error))
    if not isinstance(error, exceptions.APIException):
        return None
    param, message, code = _first(error.detail)
    body = {
        "error": {
            "message": message,
            "type": "invalid_request_error" if error.status_code < 500 else "server_error",
            "param": param,
            "code": code,
        }
    }
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return Response(body, status=error.status_code, headers=headers)


def _django_detail(error: DjangoValidationError) -> Any:
    return error.message_dict if hasattr(error, "error_dict") else error.messages


def _first(detail: Any, path: str | None = None) -> tuple[str | None, str, str]:
    """Find the first message in DRF's nested details, and the field it is about."""
    if isinstance(detail, dict):
        key, value = next(iter(detail.items()))
        if key in {"non_field_errors", "__all__", "detail"}:
            return _first(value, path)
        return _first(value, f"{path}.{key}" if path else str(key))
    if isinstance(detail, list):
        return _first(next((item for item in detail if item), ""), path)
    return path, str(detail), str(getattr(detail, "code", "invalid"))
