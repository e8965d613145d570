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
    "models": [],
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
WALLET: dict[str, Any] = {
    "tenant": 42,
    "currency": "EUR",
    "at": "2026-11-20T12:00:00Z",
    "granted": "120.00",
    "granted_picos": "120000000000000",
    "burned": "90.50",
    "burned_picos": "90500000000000",
    "pending": "0.50",
    "pending_picos": "500000000000",
    "expired": "0.00",
    "expired_picos": "0",
    "reversed": "20.00",
    "reversed_picos": "20000000000000",
    "left": "9.50",
    "left_picos": "9500000000000",
    "held": "0.25",
    "held_picos": "250000000000",
    "available": "9.25",
    "available_picos": "9250000000000",
    "expiring": [
        {
            "at": "2026-12-01T00:00:00Z",
            "amount": "4.75",
            "amount_picos": "4750000000000",
        }
    ],
}
STATEMENT: dict[str, Any] = {
    "tenant": 42,
    "currency": "EUR",
    "start": "2026-11-01T00:00:00Z",
    "end": "2026-12-01T00:00:00Z",
    "opening": "12.50",
    "opening_picos": "12500000000000",
    "closing": "22.00",
    "closing_picos": "22000000000000",
    "moved": [
        {"kind": "credit", "amount": "100.00", "amount_picos": "100000000000000"},
        {"kind": "burn", "amount": "-90.50", "amount_picos": "-90500000000000"},
    ],
}
STATEMENT_LINE: dict[str, Any] = {
    "id": 9041,
    "occurred_at": "2026-11-20T00:07:10.250000Z",
    "kind": "burn",
    "description": "credit burned",
    "source": "burns after 512",
    "amount": "-3.25",
    "amount_picos": "-3250000000000",
    "balance": "22.00",
    "balance_picos": "22000000000000",
}
BALANCES: dict[str, Any] = {
    "tenant": 42,
    "at": "2026-11-20T12:00:00Z",
    "accounts": [
        {
            "account": "accrued",
            "currency": "EUR",
            "balance": "3.25",
            "balance_picos": "3250000000000",
        },
        {
            "account": "wallet",
            "currency": "EUR",
            "balance": "-22.00",
            "balance_picos": "-22000000000000",
        },
    ],
}
