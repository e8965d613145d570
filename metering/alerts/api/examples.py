"""Examples of webhook endpoints and deliveries."""

ENDPOINT = {
    "id": 12,
    "tenant": 42,
    "name": "billing bot",
    "url": "https://hooks.example.com/tollgate",
    "events": ["budget.threshold_reached", "budget.spent"],
    "state": "active",
    "created_at": "2026-11-20T09:00:00Z",
    "former_until": None,
    "paused_at": None,
    "paused_because": None,
    "failing_since": None,
    "last_succeeded_at": "2026-11-20T17:31:04Z",
    "removed_at": None,
}
ISSUED_ENDPOINT = {
    **ENDPOINT,
    "last_succeeded_at": None,
    "secret": "whsec_RVhBTVBMRUVYQU1QTEVFWEFNUExFRVhBTVBMRUVYQU0=",
}
NEW_ENDPOINT = {
    "tenant": 42,
    "name": "billing bot",
    "url": "https://hooks.example.com/tollgate",
    "events": ["budget.threshold_reached", "budget.spent"],
}
ENDPOINT_CHANGES = {"name": "billing bot, Berlin", "events": []}
ENDPOINT_ROTATION = {"overlap_s": 3600}
DELIVERY = {
    "id": 9001,
    "endpoint": 12,
    "event": "evt_019aa5b06c3f7c1a80000242ac120002",
    "type": "budget.threshold_reached",
    "state": "waiting",
    "attempts": 2,
    "created_at": "2026-11-20T17:31:00Z",
    "last_tried_at": "2026-11-20T17:31:06Z",
    "last_status": 503,
    "last_error": "it answered with 503",
    "last_ms": 212,
    "next_at": "2026-11-20T17:36:09Z",
    "ended_at": None,
    "is_replay": False,
}
