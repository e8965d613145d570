"""Anticipated errors: what a caller did wrong or must wait for, with how to say so.

    PlatformError
    |-- InvalidRequest 400
    |   `-- ContextLengthExceeded
    |-- InvalidApiKey 401
    |-- PermissionDenied 403
    |-- ModelNotPriced 403
    |-- ModelNotFound 404
    |-- ModelRetired 404
    |-- NotFound 404
    |-- Conflict 409
    |-- PreconditionFailed 412
    |-- PayloadTooLarge 413
    |-- UnsupportedEncoding 415
    |-- IdempotencyKeyReused 422
    |-- RateLimited 429
    |-- InsufficientQuota 429
    |-- EngineFailed 502
    |-- EngineOverloaded, ServiceUnavailable 503
    `-- EngineTimeout 504

Status, type and code are the class's; message, param and headers the instance's. Two
thin renderers (gateway and management API) turn one into the same body. Anything that
is not a `PlatformError` is a bug: a 500 with nothing internal in it.
"""

from collections.abc import Mapping
from typing import ClassVar


class PlatformError(Exception):
    """An anticipated failure with its HTTP status and OpenAI-style type and code.

    `refused_by` is the limit that refused, where one did, as `level:unit:window`: for
    whoever counts refusals. Clients read of it in the message.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        refused_by: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.refused_by = refused_by
        self.param = param
        self.headers = dict(headers or {})
        if code is not None:
            self.code = code

    def body(self) -> dict[str, dict[str, str | None]]:
        """Return the error object that both APIs answer with."""
        return {
            "error": {
                "message": self.message,
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


class InvalidRequest(PlatformError):
    """The request cannot be understood or asks for what is not allowed."""

    status = 400
    type = "invalid_request_error"


class ContextLengthExceeded(InvalidRequest):
    """The prompt does not fit the model's context."""

    code = "context_length_exceeded"


class InvalidApiKey(PlatformError):
    """The API key is missing, malformed, unknown, revoked or expired."""

    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"


class PermissionDenied(PlatformError):
    """The key is known but may not do this."""

    status = 403
    type = "permission_error"
    code = "permission_denied"


class ModelNotFound(PlatformError):
    """The model does not exist, or the caller may not know that it does."""

    status = 404
    type = "invalid_request_error"
    code = "model_not_found"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The model '{model[:200]}' does not exist or you have no access to it.",
            param="model",
        )


class ModelRetired(PlatformError):
    """The model was served and is no more."""

    status = 404
    type = "invalid_request_error"
    code = "model_retired"

    def __init__(self, model: str, *, on: str = "", successor: str = "") -> None:
        when = f" on {on}" if on else ""
        instead = f" Call '{successor}' instead." if successor else ""
        super().__init__(
            f"The model '{model[:200]}' was retired{when}.{instead}", param="model"
        )


class ModelNotPriced(PlatformError):
    """The model has no price in force for this tenant, so it cannot be called."""

    status = 403
    type = "permission_error"
    code = "model_not_priced"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The model '{model[:200]}' has no price in force for your account, so it"
            " cannot be called. Ask the operator to publish one.",
            param="model",
        )


class NotFound(PlatformError):
    """There is nothing at this address."""

    status = 404
    type = "invalid_request_error"
    code = "not_found"


class Conflict(PlatformError):
    """The state of the object forbids this."""

    status = 409
    type = "invalid_request_error"
    code = "conflict"


class PreconditionFailed(PlatformError):
    """The object is no longer as the caller last saw it."""

    status = 412
    type = "invalid_request_error"
    code = "precondition_failed"


class UnsupportedEncoding(PlatformError):
    """The body is compressed: what it holds would be larger than what is counted."""

    status = 415
    type = "invalid_request_error"
    code = "unsupported_encoding"


class PayloadTooLarge(PlatformError):
    """The body is larger than is taken."""

    status = 413
    type = "invalid_request_error"
    code = "request_too_large"


class IdempotencyKeyReused(PlatformError):
    """The idempotency key was sent before, with another request."""

    status = 422
    type = "invalid_request_error"
    code = "idempotency_key_reused"


class RateLimited(PlatformError):
    """Too many requests or tokens in the window: retry after the given time."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class InsufficientQuota(PlatformError):
    """The budget is spent: retrying does not help."""

    status = 429
    type = "insufficient_quota"
    code = "insufficient_quota"


class EngineFailed(PlatformError):
    """The engine broke, or answered what makes no sense."""

    status = 502
    type = "server_error"
    code = "engine_failed"


class EngineOverloaded(PlatformError):
    """No replica can take the request now."""

    status = 503
    type = "server_error"
    code = "engine_overloaded"


class ServiceUnavailable(PlatformError):
    """The gateway cannot meter the request now, so it does not take it."""

    status = 503
    type = "server_error"
    code = "service_unavailable"


class EngineTimeout(PlatformError):
    """The engine did not answer in time."""

    status = 504
    type = "server_error"
    code = "engine_timeout"
