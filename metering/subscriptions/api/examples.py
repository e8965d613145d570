"""One example of each thing that the management API takes and shows of plans.

Tests hold them against the schema and send them to the API.
"""

from typing import Any

COMPONENT = {
    "name": "Tokens of the large model",
    "meter": "tokens",
    "models": ["llama-3.3-70b"],
    "token_classes": ["input", "output"],
    "component": {
        "model": "graduated",
        "unit_size": "1000000",
        "tiers": [
            {"up_to": "50000000", "unit_price": "0"},
            {"up_to": None, "unit_price": "0.80"},
        ],
    },
}
DISCOUNT: dict[str, Any] = {
    "name": "Launch",
    "scope": "usage",
    "models": [],
    "percent": "10",
    "amount": None,
}
COMPONENTS = {"components": [COMPONENT]}
DISCOUNTS = {"discounts": [DISCOUNT]}
NEW_VERSION = {
    "plan": "team",
    "currency": "EUR",
    "name": "Team 2026",
    "fee": "49.00",
    "fee_in_advance": False,
    "minimum_commitment": "100.00",
}
VERSION_CHANGES = {"fee": "59.00"}
VERSION = {
    "id": 12,
    **NEW_VERSION,
    "number": 3,
    "state": "draft",
    "components": [COMPONENT],
    "discounts": [DISCOUNT],
    "created_at": "2026-11-02T09:00:00.300000Z",
    "published_at": None,
}
MIGRATION = {"target": 13}
MIGRATED = {
    "moved": 41,
    "refused": [
        {
            "tenant": "acme",
            "reason": "Tenant 'acme' pays before use, and a plan is charged after it: "
            "grant it credit, or let it pay by invoice.",
        }
    ],
    "left": 0,
}

NEW_SUBSCRIPTION = {
    "tenant": 42,
    "plan_version": 12,
    "starts_on": None,
    "ends_on": None,
}
SUBSCRIPTION = {
    "id": 7,
    "tenant": 42,
    "plan_version": 12,
    "name": "Team 2026",
    "number": 3,
    "starts_on": "2026-11-10",
    "ends_on": None,
    "agreed_at": "2026-11-10T09:00:00.300000Z",
    "end_agreed_at": None,
}
CHANGE = {"plan_version": 13, "starts_on": None}
END = {"ends_on": None}
