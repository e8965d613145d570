"""Examples of rate limits, quotas and budgets, and of what they come to."""

from typing import Any

_OF_TENANT = {
    "level": "tenant",
    "plan": None,
    "tenant": 42,
    "project": None,
    "key": None,
}
_SET: dict[str, Any] = {
    "set_by": "operator",
    "is_hard": True,
    "created_at": "2026-11-02T09:40:00.500000Z",
    "ends_at": None,
    "ended_at": None,
}
RATE_LIMIT = {
    "id": 901,
    **_OF_TENANT,
    **_SET,
    "model": "",
    "unit": "requests",
    "window": "minute",
    "value": 600,
}
NEW_RATE_LIMIT = {
    "tenant": 42,
    "unit": "requests",
    "window": "minute",
    "value": 600,
}
RATE_LIMIT_CHANGES = {"value": 1200, "ends_at": "2099-12-31T23:00:00Z"}

QUOTA = {
    "id": 77,
    **_OF_TENANT,
    **_SET,
    "level": "project",
    "project": 7,
    "model": "llama-3.3-70b",
    "unit": "output_tokens",
    "window": "day",
    "value": 5_000_000,
    "warn_at": [80, 95],
}
NEW_QUOTA = {
    "project": 7,
    "model": "llama-3.3-70b",
    "unit": "output_tokens",
    "window": "day",
    "value": 5_000_000,
    "warn_at": [80, 95],
}
QUOTA_CHANGES = {"value": 8_000_000, "warn_at": [90]}

BUDGET = {
    "id": 15,
    **_OF_TENANT,
    **_SET,
    "model": "",
    "window": "month",
    "amount": "500.00",
    "amount_picos": "500000000000000",
    "currency": "EUR",
    "warn_at": [50, 80, 95],
}
NEW_BUDGET = {
    "tenant": 42,
    "window": "month",
    "amount": "500.00",
    "warn_at": [50, 80, 95],
}
BUDGET_CHANGES = {"amount": "750.00"}

_NO_MONEY = {"amount": None, "amount_picos": None}
EFFECTIVE = {
    "tenant": 42,
    "project": 7,
    "key": 311,
    "model": "llama-3.3-70b",
    "plan": 3,
    "at": "2026-11-20T12:00:00Z",
    "limits": [
        {
            "kind": "budget",
            "level": "tenant",
            "holder": 42,
            "model": "",
            "unit": "",
            "window": "month",
            "currency": "EUR",
            "is_hard": True,
            "is_binding": True,
            "warn_at": [50, 80, 95],
            "value": None,
            "amount": "500.00",
            "amount_picos": "500000000000000",
            "origin": {
                "limit": 15,
                "plan": None,
                "set_by": "operator",
                "ends_at": None,
            },
            "beside": None,
        },
        {
            "kind": "rate_limit",
            "level": "tenant",
            "holder": 42,
            "model": "",
            "unit": "requests",
            "window": "minute",
            "currency": "",
            "is_hard": True,
            "is_binding": True,
            "warn_at": [],
            "value": 300,
            **_NO_MONEY,
            "origin": {
                "limit": 902,
                "plan": None,
                "set_by": "tenant",
                "ends_at": None,
            },
            "beside": {
                "limit": 640,
                "plan": 3,
                "set_by": "operator",
                "ends_at": None,
                "value": 600,
                **_NO_MONEY,
            },
        },
    ],
}
