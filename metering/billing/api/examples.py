"""An example of an invoice as the management API shows it; tests hold it to the schema.

Its one line is rounded once, to the cent, and the invoice is the sum of its lines.
"""

from typing import Any

from metering.usage.api.examples import REQUEST

INVOICE = {
    "exact_picos": "1111111101900000",
    "exact": "1111.1111019",
    "amount_minor": 111111,
    "id": 19,
    "public_id": "0192f3c1-7a44-7b31-9c55-0242ac120002",
    "tenant": 42,
    "number": "T-2026-000019",
    "state": "open",
    "problem": "",
    "kind": "period",
    "first_date": "2026-11-01",
    "end_date": "2026-12-01",
    "currency": "EUR",
    "lines_sha256": (
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    ),
    "provider": "stripe",
    "provider_account": "default",
    "provider_reference": "in_1QEXAMPLE",
    "hosted_url": "https://invoice.stripe.com/i/example",
    "created_at": "2026-12-01T00:45:00.120000Z",
    "issued_at": "2026-12-01T00:45:02.480000Z",
    "due_date": "2026-12-15",
    "subtotal_minor": 111111,
    "tax_minor": 0,
    "paid_minor": 0,
    "credited_minor": 0,
    "written_off_minor": 0,
    "carried_minor": 0,
    "payment_failure": "Your card was declined.",
    "next_attempt_at": "2026-12-18T09:00:00Z",
}
NEW_PROFILE = {
    "tenant": 42,
    "legal_name": "Acme Labs GmbH",
    "address": "Example Street 1\n10115 Berlin",
    "country": "DE",
    "tax_id": "DE123456789",
}
PROFILE = {**NEW_PROFILE, "region": "", "po_number": ""}
LINE = {
    "exact_picos": "1111111101900000",
    "exact": "1111.1111019",
    "amount_minor": 111111,
    "position": 1,
    "kind": "usage",
    "description": "llama-3.3-70b, input tokens",
    "model": "llama-3.3-70b",
    "token_class": "input",
    "quantity": 1234567891,
    "price_id": 88,
    "price_per_million": "0.90",
}

_DAY: dict[str, Any] = {
    "date": "2026-11-03",
    "quantity": 1200000,
    "charge_picos": "3600000000000",
    "charge": "3.60",
}
LINE_EXPLAINED: dict[str, Any] = {
    "position": 1,
    "kind": "usage",
    "description": "llama-3.3-70b, input tokens",
    "quantity": 1200000,
    "exact_picos": "3600000000000",
    "amount_minor": 360,
    "document": {},
    "days": [_DAY],
    "days_quantity": 1200000,
    "days_picos": "3600000000000",
    "adds_up": True,
}
DAY_EXPLAINED: dict[str, Any] = {
    "day": _DAY,
    "elsewhere_quantity": 0,
    "elsewhere_picos": "0",
    "events_count": 1,
    "events_quantity": 1200000,
    "events_picos": "3600000000000",
    "adds_up": True,
    "data": [
        {
            "request_id": "019a49c5-8c1c-7c1a-8f1e-3d2b6a90c411",
            "admitted_at": "2026-11-03T13:05:09.148000Z",
            "kind": "request",
            "corrects": None,
            "quantity": 1200000,
            "charge_picos": "3600000000000",
        }
    ],
    "next": None,
    "previous": None,
}
PLAN_EFFECT = {
    "tenant": "acme",
    "first_date": "2026-10-01",
    "end_date": "2026-11-01",
    "currency": "EUR",
    "charged": "120.50",
    "preview": "149.00",
    "difference": "28.50",
    "problem": "",
    "lines": [
        {
            "kind": "fee",
            "description": "Team 2026, 2026-10",
            "amount": "149.00",
        }
    ],
}
RECEIPT: dict[str, Any] = {
    **REQUEST,
    "queue_ms": 2.4,
    "last_token_ms": 2208.31,
    "settled_at": "2026-11-21T13:05:11.361000Z",
    "chunks": 308,
    "gap_max_ms": 21.9,
    "generated_tokens": 310,
    "held_picos": "24860000000",
    "held": "0.02486",
    "charges": [
        {
            "event_id": REQUEST["request_id"],
            "kind": "request",
            "committed_at": "2026-11-21T13:05:11.361000Z",
            "price_version": 4,
            "price_since": "2026-11-01T00:00:00Z",
            "lines": [
                {
                    "token_class": "input",
                    "tokens": 1200,
                    "price_per_million": "5.00",
                    "charge_picos": "6000000000",
                    "charge": "0.006",
                },
                {
                    "token_class": "cached_input",
                    "tokens": 256,
                    "price_per_million": "0.9375",
                    "charge_picos": "240000000",
                    "charge": "0.00024",
                },
                {
                    "token_class": "output",
                    "tokens": 310,
                    "price_per_million": "15.00",
                    "charge_picos": "4650000000",
                    "charge": "0.00465",
                },
            ],
            "charge_picos": "10890000000",
            "charge": "0.01089",
            "adds_up": True,
        }
    ],
    "billing_day": "2026-11-21",
    "invoice_lines": [
        {
            "invoice": 311,
            "number": "T-2026-000311",
            "position": 1,
            "description": "llama-3.3-70b, input tokens",
        }
    ],
}
