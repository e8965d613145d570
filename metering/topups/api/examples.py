"""Examples of top-ups and their rules; tests hold them to the schema."""

from typing import Any

TOP_UP: dict[str, Any] = {
    "id": 15,
    "tenant": 42,
    "state": "invoiced",
    "amount_minor": 10_000,
    "currency": "EUR",
    "by_rule": True,
    "way": "invoice",
    "problem": "",
    "reference": "top-up 15",
    "invoice": 311,
    "credit_grant": None,
    "asked_at": "2026-11-02T09:40:00.500000Z",
    "ended_at": None,
}
NEW_TOP_UP: dict[str, Any] = {"tenant": 42, "amount_minor": 10_000}
RULE: dict[str, Any] = {
    "id": 3,
    "tenant": 42,
    "currency": "EUR",
    "threshold_minor": 2_000,
    "amount_minor": 10_000,
    "period_max_minor": 50_000,
    "cool_off_s": 3600,
    "enabled": True,
}
NEW_RULE: dict[str, Any] = {
    "tenant": 42,
    "threshold_minor": 2_000,
    "amount_minor": 10_000,
    "period_max_minor": 50_000,
}
