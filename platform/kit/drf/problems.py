"""The one body that errors have: OpenAI's error object inside an RFC 9457 document.

Callers of `/v1` and of `/api/v1` read `error` alike; tools that know problem documents
read `type`, `title`, `status`, `detail` and `instance`, which names the request as the
logs do. `errors` lists every wrong field, where `error` names the first one.
"""

import time
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from django.http import HttpRequest

from kit.errors import PlatformError
from kit.ids import uuid7
from kit.json_values import JsonObject

CONTENT_TYPE = "application/problem+json"
REQUEST_ID = "x-request-id"
SERVER_ERROR_MIN = 500
_REMEMBERED = "tollgate.request_id"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong; without a `param` it is about no single field."""

    message: str
    param: str | None = None
    code: str | None = None


def problem(
    status: int,
    *faults: Fault,
    type_: str | None = None,
    request_id: str | None = None,
) -> JsonObject:
    """Return the body of a refusal for at least one fault.

    Its type follows from the status unless it is given.
    """
    first = faults[0]
    phrase = HTTPStatus(status).phrase
    return {
        "type": f"urn:tollgate:problem:{phrase.lower().replace(' ', '-')}",
        "title": phrase,
        "status": status,
        "detail": first.message,
        "instance": f"urn:uuid:{request_id}" if request_id else None,
        "errors": [_shown(fault) for fault in faults if fault.param is not None],
        "error": {
            "message": first.message,
            "type": type_ or type_of(status),
            "param": first.param,
            "code": first.code,
        },
    }


def problem_of(error: PlatformError, *, request_id: str | None = None) -> JsonObject:
    """Return the body of an anticipated error."""
    fault = Fault(error.message, error.param, error.code)
    return problem(error.status, fault, type_=error.type, request_id=request_id)


def type_of(status: int) -> str:
    """Return the type of error that a status is, as the gateway names them."""
    if status == HTTPStatus.FORBIDDEN:
        return "permission_error"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limit_error"
    return "server_error" if status >= SERVER_ERROR_MIN else "invalid_request_error"


def request_id_of(request: HttpRequest) -> str:
    """Return the request's id: the caller's when it is a UUID, else one made here.

    The same for as long as the request lives, so that its error and its log agree.
    """
    found: str | None = request.META.get(_REMEMBERED)
    if found is None:
        try:
            found = str(UUID(request.headers.get(REQUEST_ID, "")))
        except ValueError:
            found = str(uuid7(time.time_ns() // 1_000_000))
        request.META[_REMEMBERED] = found
    return found


def _shown(fault: Fault) -> JsonObject:
    return {"param": fault.param, "message": fault.message, "code": fault.code}
