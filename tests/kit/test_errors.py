"""Anticipated errors: status, type and code of each, and the body they share."""

import inspect

import pytest

from kit import errors
from kit.errors import (
    InvalidRequest,
    ModelNotFound,
    ModelNotPriced,
    PlatformError,
    RateLimited,
    ServiceUnavailable,
)

TABLE = {
    "Conflict": (409, "invalid_request_error", "conflict"),
    "ContextLengthExceeded": (400, "invalid_request_error", "context_length_exceeded"),
    "EngineFailed": (502, "server_error", "engine_failed"),
    "EngineOverloaded": (503, "server_error", "engine_overloaded"),
    "EngineTimeout": (504, "server_error", "engine_timeout"),
    "IdempotencyKeyReused": (422, "invalid_request_error", "idempotency_key_reused"),
    "InsufficientQuota": (429, "insufficient_quota", "insufficient_quota"),
    "InvalidApiKey": (401, "invalid_request_error", "invalid_api_key"),
    "InvalidRequest": (400, "invalid_request_error", None),
    "ModelNotFound": (404, "invalid_request_error", "model_not_found"),
    "ModelRetired": (404, "invalid_request_error", "model_retired"),
    "ModelNotPriced": (403, "permission_error", "model_not_priced"),
    "NotFound": (404, "invalid_request_error", "not_found"),
    "PayloadTooLarge": (413, "invalid_request_error", "request_too_large"),
    "UnsupportedEncoding": (415, "invalid_request_error", "unsupported_encoding"),
    "PermissionDenied": (403, "permission_error", "permission_denied"),
    "PreconditionFailed": (412, "invalid_request_error", "precondition_failed"),
    "RateLimited": (429, "rate_limit_error", "rate_limit_exceeded"),
    "ServiceUnavailable": (503, "server_error", "service_unavailable"),
}
CLASSES = {
    name: kind
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, PlatformError) and kind is not PlatformError
}


def test_table_names_every_error() -> None:
    assert set(CLASSES) == set(TABLE)


def test_tree_in_the_docstring_names_every_error() -> None:
    for name, kind in CLASSES.items():
        assert name in (errors.__doc__ or "")
        assert str(kind.status) in (errors.__doc__ or "")


@pytest.mark.parametrize("name", TABLE)
def test_body_says_message_type_param_and_code(name: str) -> None:
    status, kind, code = TABLE[name]
    error = CLASSES[name]("something")
    assert error.status == status
    assert error.body() == {
        "error": {
            "message": error.message,
            "type": kind,
            "param": error.param,
            "code": code,
        }
    }
    assert "something" in error.message
    assert str(error) == error.message


def test_instance_says_which_field_and_why() -> None:
    error = InvalidRequest("Too large.", param="max_tokens", code="invalid_value")
    assert error.body()["error"]["param"] == "max_tokens"
    assert error.body()["error"]["code"] == "invalid_value"
    assert InvalidRequest("Anything.").code is None


def test_headers_belong_to_the_instance() -> None:
    given = {"retry-after": "1"}
    error = ServiceUnavailable("Later.", headers=given)
    error.headers["x-more"] = "1"
    assert given == {"retry-after": "1"}
    assert RateLimited("Later.").headers == {}


@pytest.mark.parametrize("kind", [ModelNotFound, ModelNotPriced])
def test_model_s_name_is_cut_and_named_as_the_field(
    kind: type[ModelNotFound] | type[ModelNotPriced],
) -> None:
    error = kind("m" * 10_000)
    assert error.param == "model"
    assert len(error.message) < 400
