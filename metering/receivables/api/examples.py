"""Examples of payments, refunds and credit notes; tests hold them to the schema."""

from typing import Any

NEW_PAYMENT: dict[str, Any] = {
    "invoice": 19,
    "amount_minor": 14280,
    "reference": "transfer 2026-10-05 4711",
    "received_at": "2026-10-05T09:00:00Z",
    "excess": "credit",
}
PAYMENT: dict[str, Any] = {
    "id": 5,
    "tenant": 42,
    "invoice": 19,
    "invoice_number": "T-2026-000019",
    "currency": "EUR",
    "amount_minor": 14280,
    "method": "transfer",
    "reference": "transfer 2026-10-05 4711",
    "received_at": "2026-10-05T09:00:00Z",
    "created_at": "2026-10-05T09:40:00.500000Z",
}
NEW_REFUND: dict[str, Any] = {
    "amount_minor": 1190,
    "outlet": "paid_back",
    "reference": "refund 2026-10-07 12",
    "reason": "Paid twice.",
}
REFUND: dict[str, Any] = {
    "id": 3,
    "tenant": 42,
    "payment": 5,
    "invoice": 19,
    "currency": "EUR",
    **NEW_REFUND,
    "refunded_at": "2026-10-07T09:40:00.500000Z",
}
NEW_NOTE: dict[str, Any] = {
    "invoice": 19,
    "reason": "The model was away for a day.",
    "reference": "ticket 815",
    "lines": [{"position": 1, "amount_minor": 1000}],
    "outlet": "credit",
}
NOTE: dict[str, Any] = {
    "id": 2,
    "public_id": "0192f3c1-7a44-7b31-9c55-0242ac120003",
    "tenant": 42,
    "invoice": 19,
    "invoice_number": "T-2026-000019",
    "number": "CN-2026-000002",
    "currency": "EUR",
    "reason": "The model was away for a day.",
    "reference": "ticket 815",
    "amount_minor": 1190,
    "tax_minor": 190,
    "restored_minor": 0,
    "issued_at": "2026-10-07T09:40:00.500000Z",
    "issued_date": "2026-10-07",
}
NOTE_LINES: list[dict[str, Any]] = [
    {
        "position": 1,
        "kind": "fee",
        "description": "Support",
        "amount_minor": 1000,
    },
    {
        "position": 2,
        "kind": "tax",
        "description": "VAT 19 %",
        "amount_minor": 190,
    },
]
WRITE_OFF: dict[str, Any] = {"reason": "The buyer is insolvent."}
NEW_HOLD: dict[str, Any] = {"kind": "dispute", "reason": "Says it was never used."}
STANDING: dict[str, Any] = {
    "id": 19,
    "tenant": 42,
    "number": "T-2026-000019",
    "state": "open",
    "currency": "EUR",
    "amount_minor": 14280,
    "paid_minor": 280,
    "credited_minor": 1190,
    "written_off_minor": 0,
    "open_minor": 12810,
    "due_date": "2026-10-16",
    "held": "dispute",
    "held_because": "Says it was never used.",
}
STEP: dict[str, Any] = {
    "id": 8,
    "tenant": 42,
    "invoice": 19,
    "invoice_number": "T-2026-000019",
    "kind": "reminder",
    "open_minor": 12810,
    "taken_at": "2026-10-19T10:00:00.500000Z",
    "mail": "sent",
}
