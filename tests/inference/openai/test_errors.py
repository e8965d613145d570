"""An engine's errors in our words, whatever their shape; ours as SDKs expect them."""

import orjson
import pytest

from inference.openai.errors import body_of, event_of, from_engine, from_stream
from kit.errors import (
    ContextLengthExceeded,
    EngineFailed,
    EngineOverloaded,
    InvalidRequest,
    PlatformError,
)

OVERFLOW = "This model's maximum context length is 10 tokens. However, your prompt"


@pytest.mark.parametrize(
    ("status", "body", "kind", "param", "message"),
    [
        # vLLM: an object whose code is the status.
        (
            400,
            {"error": {"message": "no", "type": "BadRequestError", "param": "top_k",
                       "code": 400}},
            InvalidRequest, "top_k", "no",
        ),
        (
            400,
            {"error": {"message": OVERFLOW, "param": "input_tokens", "code": 400}},
            ContextLengthExceeded, "messages", OVERFLOW,
        ),
        (400, {"error": {"message": OVERFLOW}},
         ContextLengthExceeded, "messages", None),
        (400, {"error": {"message": "x", "param": "input_text"}},
         ContextLengthExceeded, "messages", "x"),
        # SGLang's elder shape: flat.
        (400, {"object": "error", "message": "flat", "param": None},
         InvalidRequest, None, "flat"),
        # FastAPI's, a string, a list, nothing, and what is no JSON.
        (422, {"detail": "unprocessable"}, InvalidRequest, None, "unprocessable"),
        (422, {"detail": [{"msg": "x"}]}, InvalidRequest, None, None),
        (400, {"error": "text"}, InvalidRequest, None, "text"),
        (413, [], InvalidRequest, None, None),
        (400, {"error": {"message": {"a": 1}, "param": 5}}, InvalidRequest, None, None),
        (400, None, InvalidRequest, None, None),
        (429, {"error": "slow"}, EngineOverloaded, None, None),
        (503, {"error": {"message": "scaling"}}, EngineOverloaded, None, None),
        (401, {"error": "Unauthorized"}, EngineFailed, None, None),
        (403, {}, EngineFailed, None, None),
        (404, {"error": {"message": "aliases: secret"}}, EngineFailed, None, None),
        (500, {"error": {"message": "Traceback"}}, EngineFailed, None, None),
        (302, {}, EngineFailed, None, None),
    ],
)  # fmt: skip
def test_each_shape_is_understood(
    status: int,
    body: object,
    kind: type[PlatformError],
    param: str | None,
    message: str | None,
) -> None:
    data = b"<html>" if body is None else orjson.dumps(body)
    error = from_engine(status, data)
    assert type(error) is kind
    assert error.param == param
    if message is not None:
        assert error.message == message
    assert "secret" not in error.message
    assert "Traceback" not in error.message
    assert isinstance(error.message, str)


def test_an_overloaded_engine_is_worth_another_try() -> None:
    assert from_engine(503, b"").headers["retry-after"] == "1"


@pytest.mark.parametrize(
    "told",
    ["no route to http://vllm-7.engines:8000/v1", "connect to 10.1.2.3 failed",
     "see localhost:8000", "Traceback (most recent call last)",
     "The model `x` does not exist. Valid aliases: secret",
     "cannot read /models/secret/config.json", "in '/usr/lib/python3/x.py'"],
)  # fmt: skip
def test_where_and_how_an_engine_runs_is_not_told(told: str) -> None:
    for body in ({"error": {"message": told}}, {"error": told}, {"detail": told}):
        error = from_engine(400, orjson.dumps(body))
        assert error.message == "The engine refused the request."


@pytest.mark.parametrize(
    "told", ["top_p must be in (0, 1], got 1.2.3", "use a/b or c", "1.2.3.x is no"]
)
def test_what_the_caller_did_wrong_is_told(told: str) -> None:
    assert from_engine(400, orjson.dumps({"error": told})).message == told


def test_an_engine_s_long_message_is_cut() -> None:
    error = from_engine(400, orjson.dumps({"error": {"message": "x" * 5000}}))
    assert len(error.message) == 1000


@pytest.mark.parametrize("code", [True, "400", 399, 500, None, 400.0])
def test_only_a_refusal_inside_a_stream_is_the_caller_s_fault(code: object) -> None:
    assert type(from_stream({"message": "x", "code": code})) is EngineFailed
    assert type(from_stream({"message": "x", "code": 400})) is InvalidRequest


def test_the_body_and_the_event_hold_the_four_fields() -> None:
    error = InvalidRequest("no", param="n", code="invalid_value")
    fields = {
        "message": "no",
        "type": "invalid_request_error",
        "param": "n",
        "code": "invalid_value",
    }
    assert orjson.loads(body_of(error)) == {"error": fields}
    assert event_of(error) == b"data: " + body_of(error) + b"\n\n"
