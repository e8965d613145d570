"""An example of a reconciliation run as the management API shows it.

It is one that found something: an hour's rollup that lacks an event's charge. Tests
hold it against the schema.
"""

from typing import Any, Final

RUN: Final[dict[str, Any]] = {
    "id": 204,
    "kind": "reconcile",
    "state": "differs",
    "start": "2026-11-19",
    "end": "2026-11-21",
    "tenant_id": None,
    "started_at": "2026-11-21T03:10:00.120000Z",
    "finished_at": "2026-11-21T03:10:04.860000Z",
    "rows": 18231,
    "differences": 1,
    "problem": "",
}
CHECK: Final[dict[str, Any]] = {
    "name": "hours_rolled_up",
    "proves": "Hour rollups are the sums of their events, by tenant and price.",
    "rows": 96,
    "differences": 1,
}
STEP: Final[dict[str, Any]] = {
    "name": "rolled up",
    "currency": "EUR",
    "rows": 412,
    "charge_picos": "5120884300000",
    "differs_picos": "0",
    "waits": 12,
    "waits_as": "event",
    "waits_picos": "130500000",
}
DIFFERENCE: Final[dict[str, Any]] = {
    "id": 9,
    "check": "hours_rolled_up",
    "tenant_id": 42,
    "subject": "2026-11-20T13:00Z, price 88",
    "expected": "3 1500 0 420 0 for 2484000000 picos",
    "found": "2 1000 0 280 0 for 1656000000 picos",
}
