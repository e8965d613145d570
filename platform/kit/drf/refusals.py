"""How operations of the management API refuse, said once for the OpenAPI document.

Each status is one component with one example. Which of them an operation can answer
with follows from what it takes.
"""

from collections.abc import Collection
from typing import Any

from kit.drf.problems import CONTENT_TYPE, Fault, problem
from kit.json_values import JsonObject

_REQUEST_ID = "019aa5b0-6c3f-7c1a-8000-0242ac120002"
_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}


def _said(schema: JsonObject, description: str) -> JsonObject:
    return {**schema, "description": description}


_PARAM = _said(_TEXT_OR_NULL, "The field, filter or header that it is about.")
_CODE = _said(_TEXT_OR_NULL, "What is wrong, for programs.")
_FAULT_SCHEMA: JsonObject = {
    "type": "object",
    "required": ["param", "message", "code"],
    "properties": {
        "param": _PARAM,
        "message": _said(_TEXT, "What to change."),
        "code": _CODE,
    },
}
_INNER_SCHEMA: JsonObject = {
    "type": "object",
    "description": "The same, as the gateway says it.",
    "required": ["message", "type", "param", "code"],
    "properties": {
        "message": _said(_TEXT, "What to change."),
        "type": {
            "type": "string",
            "enum": [
                "invalid_request_error",
                "permission_error",
                "rate_limit_error",
                "server_error",
            ],
        },
        "param": _PARAM,
        "code": _CODE,
    },
}
PROBLEM_SCHEMA: JsonObject = {
    "type": "object",
    "description": "Why a request was refused: a problem document (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "errors", "error"],
    "properties": {
        "type": _said(
            {"type": "string", "format": "uri"}, "The kind of problem, by its status."
        ),
        "title": _said(_TEXT, "The kind of problem in words."),
        "status": _said({"type": "integer"}, "The HTTP status."),
        "detail": _said(_TEXT, "What to change."),
        "instance": _said(
            {"type": ["string", "null"], "format": "uri"},
            "The request, by the id that logs know it by.",
        ),
        "errors": {
            "type": "array",
            "description": "Every wrong field; empty where the error is about none.",
            "items": _FAULT_SCHEMA,
        },
        "error": _INNER_SCHEMA,
    },
}

# Status -> component, what it means, what is wrong in its example.
_REFUSALS: dict[str, tuple[str, str, tuple[Fault, ...]]] = {
    "400": (
        "InvalidRequest",
        "The request is wrong; `errors` names every wrong field.",
        (
            Fault("This field may not be blank.", "name", "blank"),
            Fault("This field is required.", "slug", "required"),
        ),
    ),
    "401": (
        "Unauthenticated",
        "The token is missing, mistyped, expired or revoked, or not taken from this"
        " address.",
        (
            Fault(
                "The token is not valid: mistyped, revoked, expired, or not for use"
                " from this address.",
                code="invalid_token",
            ),
        ),
    ),
    "403": (
        "Forbidden",
        "The token does not hold the scope, or may not reach this far.",
        (
            Fault(
                "This takes the scope 'keys:write', which your token does not hold."
                " Use a token that does, or ask an owner of the tenant for one.",
                code="scope_missing",
            ),
        ),
    ),
    "404": (
        "NotFound",
        "There is no such object, or none that this token can see.",
        (Fault("There is no tenant 42.", code="not_found"),),
    ),
    "409": (
        "Conflict",
        "The state of the object, or another one, forbids this.",
        (
            Fault(
                "There is already a tenant with this slug. Choose another slug.",
                "slug",
                "conflict",
            ),
        ),
    ),
    "412": (
        "PreconditionFailed",
        "The object is no longer the version that `If-Match` names.",
        (
            Fault(
                "The object has changed since you read it. Read it again, make your"
                " change to what it is now, and send that with its new ETag.",
                "If-Match",
                "precondition_failed",
            ),
        ),
    ),
    "415": (
        "UnsupportedMediaType",
        "The body is not JSON.",
        (
            Fault(
                'Unsupported media type "text/plain" in request. Send JSON as'
                " 'Content-Type: application/json'.",
                code="unsupported_media_type",
            ),
        ),
    ),
    "422": (
        "IdempotencyKeyReused",
        "The `Idempotency-Key` was sent before with another request.",
        (
            Fault(
                "This key was sent before with another method, address or body. Send"
                " the same request again, or make a new key for a new one.",
                "Idempotency-Key",
                "idempotency_key_reused",
            ),
        ),
    ),
    "429": (
        "TooManyRequests",
        "The caller has asked too often; `Retry-After` says for how long to wait.",
        (
            Fault(
                "Too many writes in a minute: at most 300. Try again in 21 seconds.",
                code="rate_limit_exceeded",
            ),
        ),
    ),
    "503": (
        "Unavailable",
        "The database did not answer; `Retry-After` says when to try again.",
        (
            Fault(
                "The database did not answer in time, and nothing was changed."
                " Try again in 2 seconds.",
                code="service_unavailable",
            ),
        ),
    ),
    "default": (
        "Refusal",
        "Whatever else is refused, or fails on our side, says so in the same shape.",
        (Fault("Something went wrong on our side.", code="internal_error"),),
    ),
}
_RETRY_AFTER: JsonObject = {
    "Retry-After": {
        "description": "Seconds to wait.",
        "schema": {"type": "integer", "minimum": 0},
    }
}
_HEADERS = {"429": _RETRY_AFTER, "503": _RETRY_AFTER}


def components() -> JsonObject:
    """Return the answers that refuse, by the names of their components."""
    return {
        name: {
            "description": meaning,
            **({"headers": _HEADERS[status]} if status in _HEADERS else {}),
            "content": {
                CONTENT_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {"Example": {"value": _example(status, faults)}},
                }
            },
        }
        for status, (name, meaning, faults) in _REFUSALS.items()
    }


def reference(status: str) -> JsonObject:
    """Return a reference to the answer of a status."""
    return {"$ref": f"#/components/responses/{_REFUSALS[status][0]}"}


def possible(operation: JsonObject, *, is_conflicting: bool) -> Collection[str]:
    """Return the statuses that an operation can refuse with."""
    parameters = operation.get("parameters", ())
    places = {parameter["in"] for parameter in parameters}
    headers = {each["name"] for each in parameters if each["in"] == "header"}
    has_body = "requestBody" in operation
    applies = {
        "400": has_body or not places.isdisjoint({"query", "header"}),
        "401": True,
        "403": True,
        "404": "path" in places,
        "409": is_conflicting,
        "412": "If-Match" in headers,
        "415": has_body,
        "422": "Idempotency-Key" in headers,
        "429": True,
        "503": True,
        "default": True,
    }
    return [status for status, is_possible in applies.items() if is_possible]


def _example(status: str, faults: tuple[Fault, ...]) -> Any:
    number = int(status) if status.isdigit() else 500
    return problem(number, *faults, request_id=_REQUEST_ID)
