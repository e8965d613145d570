"""One example of each thing that the management API takes and shows of prices.

Tests hold them against the schema and send them to the API.
"""

PRICE_BOOK = {
    "id": 5,
    "name": "Standard EUR",
    "currency": "EUR",
    "is_default": True,
    "contract": None,
    "created_at": "2026-11-02T09:00:00.300000Z",
}
NEW_PRICE_BOOK = {"name": "Standard EUR", "currency": "EUR", "is_default": True}
NEW_ASSIGNMENT = {"tenant": 42, "starts_at": "2199-01-01T00:00:00Z", "ends_at": None}
ASSIGNMENT = {
    "id": 7,
    "tenant": 42,
    "price_book": 5,
    "starts_at": "2199-01-01T00:00:00Z",
    "ends_at": None,
}
ASSIGNMENT_END = {"ends_at": "2199-02-01T00:00:00Z"}

NEW_PRICE = {
    "model": "llama-3.3-70b",
    "input_per_million": "0.90",
    "cached_input_per_million": "0.45",
    "output_per_million": "2.70",
}
PRICE = {"id": 88, **NEW_PRICE, "follows": False}
NEW_PRICES = {"prices": [NEW_PRICE]}

DISCOUNTS = {
    "cached_input_discount_percent": "90",
    "batch_discount_percent": None,
    "answer_cache_discount_percent": "99.5",
}
VERSION = {
    "id": 21,
    "number": 2,
    "state": "draft",
    "effective_at": "2026-12-01T00:00:00Z",
    "published_at": None,
    **DISCOUNTS,
    "derived_from": None,
    "prices": [PRICE],
}
EFFECT = {
    "tenant": {"id": 42, "slug": "acme"},
    "currency": "EUR",
    "charged": "120.5",
    "preview": "132.55",
    "difference": "12.05",
    "unpriced": ["llama-3.1-70b"],
    "models": [
        {
            "model": "llama-3.3-70b",
            "requests": 1200,
            "input_tokens": 40000000,
            "cached_input_tokens": 12000000,
            "output_tokens": 9000000,
            "charged": "120.5",
            "preview": "132.55",
        }
    ],
}
TOTAL = {
    "month": "2026-10",
    "tenants": 57,
    "currency": "EUR",
    "charged": "8120.5",
    "preview": "8932.55",
    "difference": "812.05",
    "unpriced": [{"model": "llama-3.1-70b", "tenants": 3}],
}
NEW_VERSION = {"effective_at": "2026-12-01T00:00:00Z", "copy_from": 1}
VERSION_CHANGES = {"effective_at": "2027-01-01T00:00:00Z", **DISCOUNTS}
PUBLICATION = {"drop": ["llama-3.1-70b"]}

AGREED = {
    "model": "llama-3.3-70b",
    "input_per_million": "0.80",
    "cached_input_per_million": "0.08",
    "output_per_million": "2.40",
    "discount_percent": None,
}
NEW_CONTRACT = {
    "tenant": 42,
    "name": "2199",
    "price_book": 5,
    "starts_at": "2199-01-01T00:00:00Z",
    "ends_at": "2200-01-01T00:00:00Z",
    "discount_percent": "12.5",
    "prices": [AGREED],
}
CONTRACT = {
    "id": 3,
    **NEW_CONTRACT,
    "state": "signed",
    "created_at": "2198-12-01T09:00:00.300000Z",
    "signed_at": "2198-12-02T09:00:00.300000Z",
    "ended_at": None,
    "derived_price_book": 6,
}
CONTRACT_CHANGES = {"name": "2199, as agreed", "discount_percent": "15"}
AGREED_PRICES = {"prices": [AGREED]}
CONTRACT_END = {"ends_at": "2199-07-01T00:00:00Z"}
