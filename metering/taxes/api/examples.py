"""Examples of tax rates and treatments; tests hold them to the schema."""

from typing import Any

NEW_RATE: dict[str, Any] = {
    "name": "VAT",
    "country": "DE",
    "percent": "19",
    "starts_at": "2021-01-01T00:00:00Z",
}
RATE: dict[str, Any] = {
    "id": 3,
    **NEW_RATE,
    "region": "",
    "ends_at": None,
    "created_at": "2026-11-02T09:40:00.500000Z",
}
RATE_END: dict[str, Any] = {"ends_at": "2099-12-31T23:00:00Z"}
NEW_TREATMENT: dict[str, Any] = {
    "tenant": 42,
    "kind": "reverse_charge",
    "note": "Reverse charge: the recipient accounts for the VAT.",
}
TREATMENT: dict[str, Any] = {
    "id": 7,
    **NEW_TREATMENT,
    "country": "",
    "region": "",
    "starts_at": "2026-11-02T09:40:00.500000Z",
    "ends_at": None,
    "created_at": "2026-11-02T09:40:00.500000Z",
}
