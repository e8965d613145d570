"""Examples of credit grants; tests hold them to the schema."""

from typing import Any

GRANT: dict[str, Any] = {
    "id": 12,
    "tenant": 42,
    "source": "top_up",
    "currency": "EUR",
    "amount": "100.00",
    "amount_picos": "100000000000000",
    "left": "9.50",
    "left_picos": "9500000000000",
    "burned": "90.50",
    "burned_picos": "90500000000000",
    "expired": "0.00",
    "expired_picos": "0",
    "reversed": "0.00",
    "reversed_picos": "0",
    "reversal": "",
    "priority": 100,
    "reference": "payment 2026-11-0042",
    "created_at": "2026-11-02T09:40:00.500000Z",
    "expires_at": "2099-12-31T23:00:00Z",
    "expired_at": None,
}
NEW_GRANT: dict[str, Any] = {
    "tenant": 42,
    "source": "top_up",
    "amount": "100.00",
    "reference": "payment 2026-11-0042",
    "expires_at": "2099-12-31T23:00:00Z",
}
REVERSAL: dict[str, Any] = {"amount": "9.50", "reversal": "refund"}
