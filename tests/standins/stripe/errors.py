"""Refusals in the words and shape of Stripe's API."""

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """An error answer. `stored` says whether an idempotency key replays it later."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        stored: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.headers = dict(headers or {})
        self.status = status
        self.stored = stored
        fields = {"type": kind, "message": message, "code": code, "param": param}
        self.body: dict[str, Any] = {
            "error": {
                name: value for name, value in fields.items() if value is not None
            }
        }


def invalid(
    message: str, *, param: str | None = None, code: str | None = None
) -> ApiError:
    """Return a refusal met before anything ran, which no key remembers."""
    return ApiError(400, message, param=param, code=code, stored=False)


def refused(
    message: str, *, param: str | None = None, code: str | None = None
) -> ApiError:
    """Return a refusal by the state of an object, which a key does remember."""
    return ApiError(400, message, param=param, code=code)


def missing(kind: str, reference: str, *, param: str = "id") -> ApiError:
    """Return the answer for an object that is not there."""
    return ApiError(
        404, f"No such {kind}: '{reference}'", code="resource_missing", param=param
    )
