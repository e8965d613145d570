"""Gateways that say how they are, as their rows."""

import datetime as dt
from typing import Any

from inference.control.models import Pulse, Replica


def make_pulse(
    gateway: str = "gateway-1", *, now: dt.datetime, age_s: float = 1, **said: Any
) -> Pulse:
    """Write what a gateway has said so long ago: that nothing runs, unless told."""
    at = now - dt.timedelta(seconds=age_s)
    body = {
        "version": 1,
        "is_ready": True,
        "running": 0,
        "tenants": [],
        "waiting": {},
        "replicas": {},
        "span_ms": 60_000,
        "counts": {},
        **said,
    }
    return Pulse.objects.create(gateway=gateway, at=at, started_at=at, body=body)


def well(replica: Replica, **how: Any) -> dict[str, dict[str, Any]]:
    """Return what a gateway says of a replica that is well, unless told."""
    said = {
        "is_up": True,
        "breaker": 0,
        "running": 0,
        "foreign": 0,
        "waiting": 0,
        "filled_permille": 0,
    }
    return {str(replica.pk): {**said, **how}}
