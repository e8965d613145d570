"""Examples of reconciliation as the management API shows it.

A run that found something, an hour's rollup that lacks an event's charge, with the case
of it; an engine, and an epoch of which nothing is missing. Tests hold them against the
schema.
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
TOKENS: Final[dict[str, Any]] = {
    "name": "metered",
    "prompt_tokens": 182_310,
    "generated_tokens": 40_112,
    "known_most": 128,
}
CASE: Final[dict[str, Any]] = {
    "id": 12,
    "check": "hours_rolled_up",
    "tenant_id": 42,
    "subject": "2026-11-20T13:00Z, price 88",
    "state": "explained",
    "expected": "3 1500 0 420 0 for 2484000000 picos",
    "found": "2 1000 0 280 0 for 1656000000 picos",
    "amount": 1,
    "first_seen_at": "2026-11-21T03:10:04.860000Z",
    "last_seen_at": "2026-11-21T03:40:09.120000Z",
    "resolved_at": None,
    "run_id": 204,
    "owner": 7,
    "note": "The hour was restored from a dump of the day before.",
    "explained_at": "2026-11-21T08:02:11Z",
}
PROOF: Final[dict[str, Any]] = {
    "gateway": "gateway-1",
    "epoch": 31,
    "run_id": 204,
    "closed": False,
    "heartbeat_at": "2026-11-21T03:09:59.900000Z",
    "admitted": 18_002,
    "settled": 17_990,
    "voided": 9,
    "open": 3,
    "last_seq": 17_994,
    "events": 17_994,
    "originals": 17_990,
    "rolled_seq": 17_994,
    "complete": True,
}
ENGINE: Final[dict[str, Any]] = {
    "id": 3,
    "address": "http://10.0.0.5:8000",
    "number": 2,
    "engine": "vllm",
    "started_at": "2026-11-20T22:14:07.250000Z",
    "replicas": [5],
    "first_read_at": "2026-11-20T22:15:00.110000Z",
    "last_read_at": "2026-11-21T03:10:00.090000Z",
    "prompt_tokens": 182_310,
    "generated_tokens": 40_112,
    "problem": "",
}
