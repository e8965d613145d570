"""Examples of exports; tests hold them to the schema."""

from typing import Any

EXPORT: dict[str, Any] = {
    "id": 31,
    "tenant": 42,
    "subject": "usage",
    "form": "csv",
    "first_date": "2026-11-01",
    "end_date": "2026-12-01",
    "state": "ready",
    "row_count": 2,
    "byte_count": 523,
    "sha256": "7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730",
    "complete_to": "2026-12-01T09:40:00Z",
    "problem": "",
    "file_name": "tollgate-usage-2026-11-01-to-2026-12-01-31.csv",
    "created_at": "2026-12-01T09:40:01Z",
    "made_at": "2026-12-01T09:40:04Z",
    "expires_at": "2026-12-08T09:40:04Z",
}
NEW_EXPORT: dict[str, Any] = {
    "tenant": 42,
    "subject": "usage",
    "form": "csv",
    "first_date": "2026-11-01",
    "end_date": "2026-12-01",
}
CONTENT = (
    "tenant_id,tenant,transaction_id,kind,source,occurred_at,posted_at,entry_id,"
    "account,debit_picos,credit_picos,amount_picos,amount,currency\r\n"
)
