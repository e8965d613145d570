"""Examples of the usage endpoint for its reference: questions, an answer, refusals.

The answer and the refusals are held against the schema by tests.
"""

from http import HTTPStatus
from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

from kit.drf.problems import Fault, problem


def _asked(parameter: str, name: str, value: str) -> OpenApiExample:
    return OpenApiExample(name, value=value, parameter_only=(parameter, "query"))


def _refused(
    name: str, message: str, param: str, code: str | None = None
) -> OpenApiExample:
    body = problem(HTTPStatus.BAD_REQUEST, Fault(message, param, code))
    return OpenApiExample(name, value=body, response_only=True)


QUESTIONS: Final = [
    _asked("start", "A billing day", "2026-11-01"),
    _asked("start", "An instant", "2026-11-21T13:00:00Z"),
    _asked("end", "Up to the end of November", "2026-12-01"),
    _asked("end", "An instant", "2026-11-21T14:00:00+01:00"),
    _asked("group_by", "For an invoice", "model,day"),
    _asked("group_by", "For a chart of a day", "model,hour"),
    _asked("group_by", "To find a culprit", "project,key,minute"),
    _asked("tenant", "By its slug", "acme"),
    _asked("tenant", "By its id", "42"),
    _asked("model", "A served model", "llama-3.3-70b"),
]

_MEASURES: dict[str, Any] = {
    "requests": 1200,
    "input_tokens": 1000000,
    "cached_input_tokens": 250000,
    "output_tokens": 400000,
    "reasoning_tokens": 0,
    "charge_picos": "9075000000000",
    "charge": "9.075",
    "currency": "USD",
}

ANSWER: Final = OpenApiExample(
    "By model and hour",
    value={
        "data": [
            {"model": "llama-3.3-70b", "hour": "2026-11-21T13:00:00Z", **_MEASURES}
        ],
        "total": _MEASURES,
        "totals": [_MEASURES],
        "start": "2026-11-21T13:00:00Z",
        "end": "2026-11-21T14:00:00Z",
        "complete_to": "2026-11-21T13:42:07.250000Z",
    },
    response_only=True,
    status_codes=["200"],
)

REFUSALS: Final = OpenApiResponse(
    response={"$ref": "#/components/schemas/Problem"},
    description="The question makes no sense or costs too much; `param` names what.",
    examples=[
        _refused(
            "A long range of single events",
            "'minute' is counted from single events: such a range may be at most 31 "
            "days long. Ask for a shorter one, or divide by 'hour' or 'day' instead.",
            "group_by",
        ),
        _refused(
            "Too many rows",
            "The answer has more than 10000 rows: ask for a shorter range, fewer keys "
            "in 'group_by', or one tenant, project, key or model.",
            "group_by",
        ),
        _refused(
            "A bound that is none",
            "Give a date such as 2026-01-31 or an instant such as "
            "2026-01-31T00:00:00Z.",
            "start",
            "invalid",
        ),
    ],
)

REQUEST: Final[dict[str, Any]] = {
    "request_id": "019ab5f2-0b1c-7c1a-8f1e-3d2b6a90c411",
    "admitted_at": "2026-11-21T13:05:09.148000Z",
    "tenant_id": 42,
    "project_id": 7,
    "project": "default",
    "key_id": 9,
    "key": "laptop (tg_a1b2...9zX0)",
    "model": "llama-3.3-70b",
    "status": "ok",
    "surface": "chat_completions",
    "streamed": True,
    "counted_by": "engine",
    "input_tokens": 1200,
    "cached_input_tokens": 256,
    "output_tokens": 310,
    "reasoning_tokens": 0,
    "charge_picos": "10890000000",
    "charge": "0.01089",
    "net_charge_picos": "10890000000",
    "net_charge": "0.01089",
    "currency": "USD",
    "first_token_ms": 84.2,
    "duration_ms": 2210.75,
    "attempts": 1,
    "held_input_tokens": 1900,
    "held_output_tokens": 1024,
    "idempotency_key": "none",
}
