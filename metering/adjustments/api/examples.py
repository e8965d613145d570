"""Examples of adjustments and re-ratings; tests hold them to the schema."""

from typing import Any, Final

REQUEST: Final = "01989f3a-6c00-7d3e-9b57-3f6f2a9f0c11"
TOKENS: Final[dict[str, int]] = {
    "input_tokens": 1500,
    "cached_input_tokens": 0,
    "output_tokens": 420,
    "reasoning_tokens": 0,
}
NOTHING: Final[dict[str, int]] = dict.fromkeys(TOKENS, 0)
WANTED: Final[dict[str, Any]] = {
    "tenant": 42,
    "request_id": REQUEST,
    "kind": "void",
}
NEW_ADJUSTMENT: Final[dict[str, Any]] = {
    **WANTED,
    "reason": "The answer was cut off by our maintenance.",
    "reference": "ticket 2026-1187",
}
EFFECT: Final[dict[str, Any]] = {
    "before": TOKENS,
    "after": NOTHING,
    "charge_before": "0.0108",
    "charge_before_picos": "10800000000",
    "charge_after": "0.00",
    "charge_after_picos": "0",
    "difference": "-0.0108",
    "difference_picos": "-10800000000",
    "currency": "EUR",
}
ADJUSTMENT: Final[dict[str, Any]] = {
    "id": 7,
    "tenant": 42,
    "kind": "void",
    "request_id": REQUEST,
    "project": 3,
    "rerating": None,
    "requests": 1,
    **EFFECT,
    "reason": NEW_ADJUSTMENT["reason"],
    "reference": NEW_ADJUSTMENT["reference"],
    "made_at": "2026-11-21T14:02:11.500000Z",
}
NET: Final[dict[str, Any]] = {
    "tokens": NOTHING,
    "charge": "0.00",
    "charge_picos": "0",
}
RANGE: Final[dict[str, Any]] = {
    "price_book": 1,
    "model": "llama-3.3-70b",
    "tenant": None,
    "start": "2026-11-01T00:00:00Z",
    "end": "2026-11-08T00:00:00Z",
    "input_per_million": "3",
    "cached_input_per_million": "0.3",
    "output_per_million": "15",
}
NEW_RERATING: Final[dict[str, Any]] = {
    **RANGE,
    "reason": "The output price was published with a digit too many.",
    "reference": "ticket 2026-1190",
}
TENANT_EFFECT: Final[dict[str, Any]] = {
    "tenant": 42,
    "slug": "acme",
    "requests": 1200,
    **TOKENS,
    "charge_before": "12.96",
    "charge_before_picos": "12960000000000",
    "charge_after": "1.296",
    "charge_after_picos": "1296000000000",
    "difference": "-11.664",
    "difference_picos": "-11664000000000",
    "invoiced_difference": "0.00",
    "invoiced_difference_picos": "0",
}
PREVIEW: Final[dict[str, Any]] = {"currency": "EUR", "tenants": [TENANT_EFFECT]}
RERATING: Final[dict[str, Any]] = {
    "id": 2,
    **RANGE,
    "currency": "EUR",
    "price": 91,
    "state": "running",
    "reason": NEW_RERATING["reason"],
    "reference": NEW_RERATING["reference"],
    "created_at": "2026-11-21T14:10:00.500000Z",
    "finished_at": None,
}
PROGRESS: Final[dict[str, Any]] = {
    "tenant": 42,
    "requests": 1000,
    "charge_before": "10.80",
    "charge_before_picos": "10800000000000",
    "charge_after": "1.08",
    "charge_after_picos": "1080000000000",
    "difference": "-9.72",
    "difference_picos": "-9720000000000",
}
